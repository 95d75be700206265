import type { Route } from '../routes.ts';
import { answer, type Example, type Examples, failureAnswer, jsonContent, type Response } from './answers.ts';
import { failureExample, successSchema } from './envelope.ts';
import { failures } from './failures.ts';
import { type Ref, requestHeaders } from './headers.ts';
import { type Schema, schemaRef } from './json-schema.ts';
import type { Limits } from './limits.ts';
import { type Documentation, failuresOf, type Success } from './operations/documentation.ts';
import type { Exchange } from './session/index.ts';

/** A route, one of its paths, and all that is told of it there. */
interface Told {
  route: Route;
  path: string;
  told: Documentation;
  /** Those of the session that are examples of it. */
  exchanges: readonly Exchange[];
}

/** OpenAPI's Operation Object for one path of a route. */
export function operation({ route, path, told, exchanges }: Told, limits: Limits) {
  const { ids, tag, summary, description, body } = told;
  const byQuery = isByQuery(route, path);
  return {
    operationId: ids[route.paths.indexOf(path)] ?? ids[0],
    tags: [tag],
    summary: byQuery ? `${summary}, by the query` : summary,
    description: byQuery ? `${description} Takes any key, also one that a path cannot carry.` : description,
    parameters: [...parameters(route, path, exchanges), ...headerRefs(route, limits)],
    ...(body && {
      requestBody: { required: true, content: jsonContent(schemaRef(body), requestExamples(exchanges)) },
    }),
    responses: responses({ route, path, told, exchanges }, limits),
    ...(!route.tenant && { security: [] }),
  };
}

/** Whether a path is the one of several that leaves the key to the query. */
export function isByQuery({ paths }: Route, path: string): boolean {
  return paths.length > 1 && !path.includes('{');
}

/** The schemas of parameters, by their names. */
const parameterSchemas: Record<string, string> = { key: 'Key', tenant_id: 'TenantId' };

function parameters(route: Route, path: string, exchanges: readonly Exchange[]) {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => ({ name, in: 'path' }));
  const found = isByQuery(route, path) ? [{ name: 'key', in: 'query' }] : inPath;
  return found.map(({ name, in: where }) => {
    const schema = parameterSchemas[name];
    if (schema === undefined) throw new Error(`Nothing is told of the parameter ${name}`);
    const examples = exchanges
      .filter(isAccepted)
      .map(({ name: example, summary, parameters = {} }) => [example, { summary, value: parameters[name] }]);
    return {
      name,
      in: where,
      required: true,
      schema: schemaRef(schema),
      examples: Object.fromEntries(examples),
    };
  });
}

function headerRefs({ tenant }: Route, limits: Limits): Ref[] {
  return Object.keys(requestHeaders(limits))
    .filter((name) => tenant || (name !== 'Tenant' && name !== 'User'))
    .map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function requestExamples(exchanges: readonly Exchange[]): Examples {
  const examples = exchanges
    .filter(isAccepted)
    .map(({ name, summary, body }): [string, Example] => [name, { summary, value: body }]);
  return Object.fromEntries(examples);
}

/** What is refused is told among the answers; among requests it would be the first thing that somebody tries. */
function isAccepted({ answer: { status } }: Exchange): boolean {
  return status < 400;
}

function responses({ route, path, told, exchanges }: Told, limits: Limits): Record<string, Response | Ref> {
  const found: Record<string, Response | Ref> = {};
  for (const answered of told.answers) {
    const { status, description } = answered;
    found[status] = answer(description, bodySchema(answered), answerExamples(exchanges, status));
  }
  const all = failures(limits);
  const byStatus = Map.groupBy(failuresOf(route, path, told, limits), (name) => all[name].sample.status);
  for (const [status, names] of byStatus) {
    const examples = { ...answerExamples(exchanges, status), ...largeExamples(told, status) };
    const own = Object.keys(examples).length > 0;
    found[status] =
      names.length === 1 && !own
        ? { $ref: `#/components/responses/${names[0]}` }
        : failureAnswer(names, all, own ? examples : undefined);
  }
  return found;
}

function bodySchema({ data, document }: Success): Schema | undefined {
  if (data !== undefined) return successSchema(schemaRef(data));
  return document === undefined ? undefined : schemaRef(document);
}

function answerExamples(exchanges: readonly Exchange[], wanted: number): Examples {
  const examples = exchanges
    .filter(({ answer: { status, body } }) => status === wanted && body !== undefined)
    .map(({ name, summary, answer: { body } }): [string, Example] => [name, { summary, value: body }]);
  return Object.fromEntries(examples);
}

function largeExamples({ tooLarge = {} }: Documentation, status: number): Examples {
  const examples = Object.entries(tooLarge)
    .filter(([, { error }]) => error.status === status)
    .map(([name, { summary, error }]): [string, Example] => [
      name,
      { summary, value: failureExample(error) },
    ]);
  return Object.fromEntries(examples);
}
