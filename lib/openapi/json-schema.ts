import { type ConversionConfig, type JsonSchema, toJsonSchema } from '@valibot/to-json-schema';
import type { GenericSchema } from 'valibot';
import { MISSPELLING_RULE } from '../http/misspelling.ts';
import { checks, keySchema, MAX_KEY_BYTES, MAX_TAG_BYTES, tagSchema } from '../http/schemas.ts';

/** A schema of JSON Schema 2020-12, the dialect of OpenAPI 3.1. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** An object with these members. All of them are required except the optional ones. */
export function object(
  properties: Record<string, Schema>,
  { optional = [], ...rest }: { optional?: readonly string[]; description?: string } = {},
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', ...rest, required, properties };
}

/** A number of things: an integer of 0 or more. */
export function count(description: string): Schema {
  return { type: 'integer', minimum: 0, description };
}

/** A reference to a schema among the document's components. */
export function schemaRef(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}

/** The same object schema with keywords, such as descriptions, added to its members. */
export function withMembers(schema: Schema, added: Record<string, Schema>): Schema {
  const properties = Object.entries(schema.properties as Record<string, Schema>).map(([name, member]) => [
    name,
    { ...member, ...added[name] },
  ]);
  return { ...schema, properties: Object.fromEntries(properties) };
}

/** JSON Schema for the checks that the request schemas make in code of their own. */
const byCheck = new Map<unknown, Schema>([
  [checks.jsonObject, { type: 'object' }],
  [checks.list, { type: 'array' }],
  // The check sees the index of a value's raw text. Callers send any JSON there.
  [checks.rawValueIndex, {}],
  // Text that is not well-formed Unicode cannot be encoded as UTF-8.
  [checks.wellFormed, {}],
  // JSON Schema counts characters. Each of them has one byte or more.
  [checks.shortEnough, { maxLength: MAX_KEY_BYTES }],
  [checks.shortTag, { maxLength: MAX_TAG_BYTES }],
  [checks.noControlCharacters, { pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' }],
  // Not `anyOf`: generators of clients make a type of its own for each of its branches.
  [
    checks.patternRequired,
    {
      if: { propertyNames: { not: { enum: ['pattern', 'tags'] } } },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { propertyNames: { const: 'tenant_id' } },
    },
  ],
  [
    checks.notBoth,
    { not: { properties: { pattern: { type: 'string' }, tags: {} }, required: ['pattern', 'tags'] } },
  ],
]);

/** Checks that JSON Schema cannot express, by their types: descriptions state them. */
const inexpressible: Partial<Record<string, Schema>> = {
  // The rule on misspellings.
  raw_check: { description: MISSPELLING_RULE },
  // The limit of TTL and grace together, which the description of `grace` states.
  partial_check: {},
};

const conversion = {
  target: 'draft-2020-12',
  definitions: { Key: keySchema, Tag: tagSchema },
  overrideRef: ({ referenceId }) => schemaRef(referenceId).$ref as string,
  // The converter reports a pipe of several schemas as an error. Here the later ones narrow the earlier ones.
  errorMode: 'ignore',
  overrideSchema({ valibotSchema, jsonSchema, errors }) {
    const known = byCheck.get(valibotSchema);
    if (known) return known as JsonSchema;
    if (errors) throw new Error(errors.join(' '));
    return valibotSchema.type === 'nullish' ? orNull(jsonSchema) : undefined;
  },
  overrideAction({ valibotAction, jsonSchema, errors }) {
    const known = byCheck.get(valibotAction) ?? inexpressible[valibotAction.type];
    if (!known && errors) throw new Error(errors.join(' '));
    return known && ({ ...jsonSchema, ...known } as JsonSchema);
  },
} satisfies ConversionConfig;

/**
 * The JSON Schema of the inputs that a request schema accepts. Keys and tags become references to the components `Key` and `Tag`.
 *
 * @throws Error when the schema contains a check that neither the converter nor `byCheck` can express
 */
export function convert(schema: GenericSchema): Schema {
  const { $schema, $defs, ...converted } = toJsonSchema(schema, conversion);
  return converted;
}

/** The schemas of the components to which keys and tags are references. */
export function convertShared(): Record<'Key' | 'Tag', Schema> {
  const definitionOf = (schema: GenericSchema, name: string) =>
    toJsonSchema(schema, conversion).$defs?.[name] as Schema;
  return { Key: definitionOf(keySchema, 'Key'), Tag: definitionOf(tagSchema, 'Tag') };
}

/** `{type: [T, null], …}` instead of a choice between the two, which tools show less readably. */
function orNull({ anyOf: [some] = [] }: JsonSchema): JsonSchema {
  const { type, ...rest } = some as { type: string };
  return { type: [type, 'null'], ...rest } as JsonSchema;
}
