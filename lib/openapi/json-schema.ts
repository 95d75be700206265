/** A schema of JSON Schema 2020-12, which is what OpenAPI 3.1 takes. */
export interface Schema {
  readonly [keyword: string]: unknown;
}

/** An object with these members, all of them required but those named. */
export function object(
  properties: Record<string, Schema>,
  { optional = [], ...rest }: { optional?: readonly string[]; description?: string } = {},
): Schema {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: 'object', ...rest, required, properties };
}

/** A whole number that counts something. */
export function count(description: string, minimum = 0): Schema {
  return { type: 'integer', minimum, description };
}

/** A schema among the document's components. */
export function schemaRef(name: string): Schema {
  return { $ref: `#/components/schemas/${name}` };
}
