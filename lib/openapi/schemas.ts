import {
  batchKeysSchema,
  batchSetSchema,
  invalidateSchema,
  MAX_BATCH,
  MAX_KEY_BYTES,
  setSchema,
  tenantSchema,
} from '../http/schemas.ts';
import { convert, convertKey } from './convert.ts';
import { timestamp } from './envelope.ts';
import { count, object, type Schema, schemaRef } from './json-schema.ts';
import type { Limits } from './limits.ts';

/** Every schema of the document that has a name, but for those of failures. */
export function namedSchemas(limits: Limits): Record<string, Schema> {
  return { ...partSchemas(), ...requestSchemas(limits), ...dataSchemas() };
}

function partSchemas(): Record<string, Schema> {
  const identifier: Schema = { type: 'string', pattern: '^[!-~]{1,128}$' };
  return {
    TenantId: {
      ...convert(tenantSchema),
      description: '1 to 128 letters, digits, dots, underscores or hyphens, the first a letter or a digit.',
    },
    Key: {
      ...convertKey(),
      description: `At most ${MAX_KEY_BYTES} bytes of well-formed UTF-8 without control characters.`,
    },
    Value: { description: 'Any JSON, null too. It comes back as it was sent, digit for digit.' },
    Ttl: { type: 'integer', minimum: 1, description: 'How long the entry lives, in whole seconds.' },
    CorrelationId: identifier,
    RequestId: identifier,
  };
}

/** What requests hold, as they are checked. */
function requestSchemas(limits: Limits): Record<string, Schema> {
  const entry = {
    value: schemaRef('Value'),
    // Not as the schema's `default`: of a member that has one, generators of types make one that has to be there.
    ttl: {
      description: `How long the entry lives, in whole seconds: ${limits.defaultTtlSeconds} where it is absent or null.`,
    },
  };
  const batchSet = convert(batchSetSchema(limits)) as { properties: { items: { items: Schema } } };
  const { items } = batchSet.properties;
  return {
    SetRequest: described(convert(setSchema(limits)), entry),
    BatchKeysRequest: described(convert(batchKeysSchema), {
      keys: { description: 'A key named twice is answered twice.' },
    }),
    BatchSetRequest: {
      ...batchSet,
      properties: {
        items: {
          ...items,
          items: described(items.items, entry),
          description: 'Of two items with one key the last counts.',
        },
      },
    },
    InvalidateRequest: described(convert(invalidateSchema), {
      pattern: {
        description: `A glob for whole keys, at most ${MAX_KEY_BYTES} bytes: \`*\`, \`?\`, \`[abc]\`, \`[a-z]\`, \`[^a]\`, and \`\\\` before a character that stands for itself. Without one, or with null, everything goes; it has to be there, though, beside members that are not described.`,
      },
      tenant_id: { description: "The caller's own tenant, if anything." },
    }),
  };
}

/** What successes hold. */
function dataSchemas(): Record<string, Schema> {
  const [key, value, ttl] = ['Key', 'Value', 'Ttl'].map(schemaRef) as [Schema, Schema, Schema];
  const batch = (items: Schema, description: string): Schema =>
    object({ items: { type: 'array', minItems: 1, maxItems: MAX_BATCH, items, description } });
  const backend: Schema = {
    enum: ['memory', 'dragonfly'],
    description: "`memory` is the service's own; `dragonfly` stands for whatever speaks its protocol.",
  };
  const health = (status: string) =>
    object({ status: { const: status }, ...report }, { optional: ['memory'] });
  const report = {
    service: { type: 'string', description: 'Its name, as it is set.' },
    backend,
    latency_ms: {
      type: 'number',
      minimum: 0,
      description: "The backend's answer to a PING, in milliseconds.",
    },
    memory: object(
      {
        used_bytes: count('What the entries take.'),
        limit_bytes: count('What they may take before some are evicted.'),
        evicted: count('Entries that were evicted since the start.'),
      },
      { description: "Of the service's own memory only: how full it is." },
    ),
    timestamp,
  };
  return {
    Hit: object({ key, value, found: { const: true }, ttl }),
    Miss: object({ key, found: { const: false } }),
    Entry: { oneOf: [schemaRef('Hit'), schemaRef('Miss')] },
    SetResult: object({ key, status: { const: 'set' }, ttl }),
    Entries: batch(schemaRef('Entry'), 'One for each key, in the order asked.'),
    SetResults: batch(schemaRef('SetResult'), 'One for each item, in the order sent.'),
    Deleted: object({ count: count('Live entries that went.') }),
    Invalidated: object({
      pattern: { type: 'string', description: '`*` where none was sent.' },
      status: { const: 'invalidated' },
      count: count('Live entries that went.'),
    }),
    Usage: object({
      tenant_id: schemaRef('TenantId'),
      entries: count('Live entries.'),
      bytes: object({
        estimated: count(
          'What the entries take as they are stored, without keys and indexes; projected from a sample.',
        ),
        sampled: count('Entries in the sample. Where it was all of them, nothing is estimated.'),
        missing: count('Of these, how many the backend had evicted or were just going.'),
      }),
      backend,
    }),
    Healthy: health('healthy'),
    Unhealthy: health('unhealthy'),
    OpenApi: {
      ...object(
        { openapi: { type: 'string' }, info: { type: 'object' }, paths: { type: 'object' } },
        { description: 'An [OpenAPI](https://spec.openapis.org/oas/v3.1.1.html) document.' },
      ),
      additionalProperties: true,
    },
  };
}

/** Adds to an object's members what is said of each; a schema put in place of `{}` counts as said. */
function described(schema: Schema, words: Record<string, Schema>): Schema {
  const properties = Object.entries(schema.properties as Record<string, Schema>).map(([name, member]) => [
    name,
    { ...member, ...words[name] },
  ]);
  return { ...schema, properties: Object.fromEntries(properties) };
}
