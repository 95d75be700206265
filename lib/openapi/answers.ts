import { failureExample, failureSchema } from './envelope.ts';
import { type FailureName, failures } from './failures.ts';
import { answerHeaderRefs, type Ref } from './headers.ts';
import { type Schema, schemaRef } from './json-schema.ts';
import type { Limits } from './limits.ts';

/** OpenAPI's Example Object. */
export interface Example {
  summary: string;
  value: unknown;
}

/** OpenAPI's Response Object. */
export interface Response {
  description: string;
  headers: Record<string, Ref>;
  content?: Record<string, { schema: Schema; examples?: Record<string, Example> }>;
}

export type Examples = Record<string, Example>;

/** An answer that is no failure; without a schema it has no body. */
export function answer(description: string, schema?: Schema, examples: Examples = {}): Response {
  const headers = answerHeaderRefs();
  return schema ? { description, headers, content: jsonContent(schema, examples) } : { description, headers };
}

/**
 * The answer of one status for some failures that have it.
 *
 * @param examples undefined: each class's own
 */
export function failureAnswer(
  names: readonly FailureName[],
  all: ReturnType<typeof failures>,
  examples?: Examples,
): Response {
  const told = names.map((name) => all[name]);
  const own = names.map((name): [string, Example] => {
    const { sample } = all[name];
    return [sample.code, { summary: sample.message, value: failureExample(sample) }];
  });
  return {
    description: told.map(({ sample, when }) => `\`${sample.code}\`: ${when}`).join('\n\n'),
    headers: answerHeaderRefs(told.flatMap(({ sample }) => Object.keys(sample.headers))),
    content: jsonContent(
      names.length > 1 ? failureSchema(told) : schemaRef(names[0] as FailureName),
      examples ?? Object.fromEntries(own),
    ),
  };
}

export function jsonContent(schema: Schema, examples: Examples = {}): NonNullable<Response['content']> {
  const none = Object.keys(examples).length === 0;
  return { 'application/json': none ? { schema } : { schema, examples } };
}

/** The failures' answers that have a name, one for each class. */
export function namedAnswers(limits: Limits): Record<FailureName, Response> {
  const all = failures(limits);
  const entries = (Object.keys(all) as FailureName[]).map((name) => [name, failureAnswer([name], all)]);
  return Object.fromEntries(entries);
}
