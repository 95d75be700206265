import { type ConversionConfig, type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import { MISSPELLING_RULE } from '../http/misspelling.ts';
import { checks, keySchema, MAX_KEY_BYTES } from '../http/schemas.ts';
import { type Schema, schemaRef } from './json-schema.ts';

/** What the request schemas check by code of their own, in the words that JSON Schema has for it. */
const byCode = new Map<unknown, Schema>([
  [checks.jsonObject, { type: 'object' }],
  [checks.list, { type: 'array' }],
  // Any JSON: what is checked here is where its text went.
  [checks.rawValueIndex, {}],
  // What is no well-formed Unicode could not be written as UTF-8.
  [checks.wellFormed, {}],
  // JSON Schema counts characters, each of which takes a byte at least.
  [checks.shortEnough, { maxLength: MAX_KEY_BYTES }],
  [checks.noControlCharacters, { pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' }],
  // Not a choice by `anyOf`: of that, generators of clients make types of their own.
  [
    checks.noStrangerForPattern,
    {
      if: { properties: { pattern: {} }, required: ['pattern'] },
      else: { propertyNames: { enum: ['tenant_id'] } },
    },
  ],
]);

const conversion = {
  target: 'draft-2020-12',
  definitions: { Key: keySchema },
  overrideRef: ({ referenceId }) => schemaRef(referenceId).$ref as string,
  // Schemas after one another in a pipe narrow each other, which the converter takes for a mistake.
  errorMode: 'ignore',
  overrideSchema({ valibotSchema, jsonSchema, errors }) {
    const known = byCode.get(valibotSchema);
    if (known) return known as JsonSchema;
    if (errors) throw new Error(errors.join(' '));
    return valibotSchema.type === 'nullish' ? orNull(jsonSchema) : undefined;
  },
  overrideAction({ valibotAction, jsonSchema, errors }) {
    // JSON Schema has no words for a misspelling: the rule stands in the description of the object.
    const known =
      valibotAction.type === 'raw_check' ? { description: MISSPELLING_RULE } : byCode.get(valibotAction);
    if (!known && errors) throw new Error(errors.join(' '));
    return known && ({ ...jsonSchema, ...known } as JsonSchema);
  },
} satisfies ConversionConfig;

/**
 * The JSON Schema of what a schema accepts; keys are a reference to the component `Key`.
 *
 * @throws Error when it checks something that is described neither by the converter nor here
 */
export function convert(schema: GenericSchema): Schema {
  const { $schema, $defs, ...converted } = toJsonSchema(schema, conversion);
  return converted;
}

/** The schema of a key, to which the others refer. */
export function convertKey(): Schema {
  return toJsonSchema(keySchema, conversion).$defs?.Key as Schema;
}

/** `{type: [T, null], …}` in place of a choice between the two, which tools show more readably. */
function orNull({ anyOf: [some] = [] }: JsonSchema): JsonSchema {
  const { type, ...rest } = some as { type: string };
  return { type: [type, 'null'], ...rest } as JsonSchema;
}
