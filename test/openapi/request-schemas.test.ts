import { Ajv2020, type AnySchemaObject } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  batchGetSchema,
  batchKeysSchema,
  batchSetSchema,
  invalidateSchema,
  keySchema,
  leaseSchema,
  listKeysSchema,
  MAX_BATCH,
  releaseSchema,
  setSchema,
  tagSchema,
  tenantSchema,
  validate,
} from '../../lib/http/schemas.ts';
import { numRuns } from '../support/long-run.ts';
import { document } from './described.ts';

const ajv = new Ajv2020({ strict: false, validateSchema: false });
ajv.addSchema({ ...document } as AnySchemaObject, 'document');

/** Whether an input conforms to a schema of the document. */
function describes(name: string, input: unknown): boolean {
  return ajv.validate({ $ref: `document#/components/schemas/${name}` }, input) as boolean;
}

/** Whether the service accepts an input. The service extracts the JSON texts of values before it validates: here they are numbers. */
function accepts(schema: Parameters<typeof validate>[0], input: unknown): boolean {
  try {
    validate(schema, replaceValues(input), 'body');
    return true;
  } catch {
    return false;
  }
}

function replaceValues(input: unknown): unknown {
  if (Array.isArray(input)) return input.map(replaceValues);
  if (typeof input !== 'object' || input === null) return input;
  const members = Object.entries(input).map(([name, member]) => [
    name,
    name === 'value' ? 0 : replaceValues(member),
  ]);
  return Object.fromEntries(members);
}

const limits = { defaultTtlSeconds: 300, maxTtlSeconds: 2_592_000 };

const wrong = fc.constantFrom<unknown>(
  null,
  true,
  0,
  -1,
  1.5,
  1e9,
  '',
  'x',
  [],
  {},
  '\u0000',
  'a\u0085',
  '\u007f',
);
const key = fc.oneof(
  fc.string({ maxLength: 20 }),
  wrong,
  fc.constantFrom('k'.repeat(1024), 'k'.repeat(1025)),
);
const ttl = fc.oneof(
  fc.integer({ min: -1, max: 3_000_000 }),
  fc.constantFrom(1, 2_592_000, 2_592_001),
  wrong,
);
const grace = fc.oneof(fc.integer({ min: -1, max: 100 }), fc.constantFrom(2_592_000, 2_592_001), wrong);
const seconds = fc.oneof(fc.integer({ min: -1, max: 310 }), wrong);
const token = fc.oneof(
  fc.stringMatching(/^[\w-]{11}$/),
  fc.constantFrom('8Q2nTzV5bY', '8Q2nTzV5bYd1', '8Q2nTzV5bY+', '8Q2nTzV5bY\n', '8Q2nTzV5bYd\n'),
  wrong,
);
const tag = fc.oneof(fc.string({ maxLength: 20 }), wrong, fc.constantFrom('t'.repeat(256), 't'.repeat(257)));
const goodTag = fc.string({ minLength: 1, maxLength: 20 });
const tags = fc.oneof(
  fc.array(goodTag, { maxLength: 3 }),
  fc.array(tag, { maxLength: 3 }),
  fc.constantFrom<unknown>(Array(16).fill('t'), Array(17).fill('t')),
  wrong,
);
const optional = { requiredKeys: [] };
/** Valid inputs, because the other generators rarely produce one. */
const good = {
  key: fc.string({ minLength: 1, maxLength: 20 }),
  set: fc.record(
    {
      key: fc.string({ minLength: 1, maxLength: 20 }),
      value: fc.jsonValue(),
      ttl: fc.integer({ min: 1, max: 100 }),
      grace: fc.option(fc.integer({ min: 0, max: 100 })),
      lease: fc.option(fc.stringMatching(/^[\w-]{11}$/)),
      tags: fc.option(fc.array(goodTag, { maxLength: 16 })),
    },
    { requiredKeys: ['key', 'value'] },
  ),
  lease: fc.record(
    {
      key: fc.string({ minLength: 1, maxLength: 20 }),
      lease: fc.option(fc.integer({ min: 1, max: 300 })),
      tags: fc.option(fc.array(goodTag, { maxLength: 16 })),
    },
    { requiredKeys: ['key'] },
  ),
  release: fc.record({
    key: fc.string({ minLength: 1, maxLength: 20 }),
    lease: fc.stringMatching(/^[\w-]{11}$/),
  }),
  invalidation: fc.record(
    {
      pattern: fc.option(fc.string({ minLength: 1, maxLength: 20 })),
      tenant_id: fc.option(fc.string({ maxLength: 5 })),
      glob: fc.jsonValue(),
      toString: fc.jsonValue(),
    },
    optional,
  ),
  invalidationByTags: fc.record(
    {
      tags: fc.array(goodTag, { minLength: 1, maxLength: 16 }),
      pattern: fc.constant(null),
      tenant_id: fc.option(fc.string({ maxLength: 5 })),
      glob: fc.jsonValue(),
    },
    { requiredKeys: ['tags'] },
  ),
};
const anySet = fc.record(
  { key, value: fc.jsonValue(), ttl, grace, lease: token, tags, other: wrong },
  optional,
);
/** JSON Schema cannot express the limit of TTL and grace together. */
const isTooLong = (input: { ttl?: unknown; grace?: unknown }) =>
  Number(input.ttl ?? limits.defaultTtlSeconds) + Number(input.grace) > limits.maxTtlSeconds;
const set = fc.oneof(
  good.set,
  anySet.filter((input) => !isTooLong(input)),
  wrong,
);
const list = (item: fc.Arbitrary<unknown>, right: fc.Arbitrary<unknown>) =>
  fc.oneof(
    fc.array(right, { minLength: 1, maxLength: 4 }),
    fc.array(item, { maxLength: 4 }),
    fc.constantFrom<unknown>(Array(MAX_BATCH).fill('k'), Array(MAX_BATCH + 1).fill('k')),
    wrong,
  );
const tenant = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.constantFrom('t'.repeat(128), 't'.repeat(129)),
  wrong,
);

describe('the schemas of the document', () => {
  test.each<[string, Parameters<typeof validate>[0], fc.Arbitrary<unknown>]>([
    ['Key', keySchema, key],
    ['Tag', tagSchema, tag],
    ['TenantId', tenantSchema, tenant],
    ['SetRequest', setSchema(limits), set],
    [
      'BatchKeysRequest',
      batchKeysSchema,
      fc.oneof(fc.record({ keys: list(key, good.key) }, optional), wrong),
    ],
    [
      'BatchGetRequest',
      batchGetSchema,
      fc.oneof(
        fc.record({ keys: list(key, good.key), lease: seconds, tags }, optional),
        fc.record({ keys: list(good.key, good.key), lease: fc.integer({ min: 1, max: 300 }), tags }),
        wrong,
      ),
    ],
    [
      'LeaseRequest',
      leaseSchema,
      fc.oneof(good.lease, fc.record({ key, lease: seconds, tags }, optional), wrong),
    ],
    [
      'ReleaseRequest',
      releaseSchema,
      fc.oneof(good.release, fc.record({ key, lease: token }, optional), wrong),
    ],
    [
      'BatchSetRequest',
      batchSetSchema(limits),
      fc.oneof(fc.record({ items: list(set, good.set) }, optional), wrong),
    ],
    [
      'InvalidateRequest',
      invalidateSchema,
      fc.oneof(
        good.invalidation,
        good.invalidationByTags,
        fc.record({ pattern: key, tags, tenant_id: wrong, glob: wrong }, optional),
        wrong,
      ),
    ],
  ])('accept the same inputs as the service: %s', (name, schema, inputs) => {
    const taken = { yes: 0, no: 0 };
    fc.assert(
      fc.property(inputs, (input) => {
        const accepted = accepts(schema, input);
        taken[accepted ? 'yes' : 'no']++;
        expect(describes(name, input), JSON.stringify(input)).toBe(accepted);
      }),
      { numRuns: numRuns(500) },
    );
    expect(Math.min(taken.yes, taken.no)).toBeGreaterThan(0);
  });

  test('accept the same parameters of a list of keys as the service, except the cursor', () => {
    const parameters = document.paths['/api/v1/cache/tenant/{tenant_id}/keys']?.get?.parameters ?? [];
    const schemaOf = (name: string) => {
      const found = parameters.find((parameter) => 'name' in parameter && parameter.name === name);
      const { schema } = found as { schema: object };
      return ajv.compile(JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/')));
    };
    const text = (given: fc.Arbitrary<unknown>) => given.filter((value) => typeof value === 'string');
    const number = fc.oneof(fc.integer({ min: -10, max: 1010 }), fc.constantFrom(0, 1, 1000, 1001, 1.5));
    for (const [name, values] of [
      ['pattern', text(key).filter((value) => !/\p{Cc}/u.test(String(value)))],
      ['tag', text(tag)],
      ['limit', number],
    ] as const) {
      const describes = schemaOf(name);
      fc.assert(
        fc.property(values as fc.Arbitrary<unknown>, (value) => {
          expect(describes(value)).toBe(accepts(listKeysSchema, { [name]: String(value) }));
        }),
        { numRuns: numRuns(500) },
      );
    }
  });

  test('accept misspelled members, which the service rejects and JSON Schema cannot express', () => {
    const input = { key: 'k', value: 1, TTL: 5 };
    expect([describes('SetRequest', input), accepts(setSchema(limits), input)]).toEqual([true, false]);
    const { description } = document.components.schemas.SetRequest as { description?: string };
    expect(description).toContain('misspellings');
  });

  test('accept a TTL and a grace that are too long together, which the service rejects', () => {
    const input = { key: 'k', value: 1, ttl: 2_592_000, grace: 1 };
    expect([describes('SetRequest', input), accepts(setSchema(limits), input)]).toEqual([true, false]);
    expect(document.components.schemas).toHaveProperty(
      'SetRequest.properties.grace.description',
      expect.stringContaining('Together with the TTL at most 2592000'),
    );
  });

  test('accept tags that exceed the limit in bytes and not in characters, which the service rejects', () => {
    const input = 'é'.repeat(129);
    expect([describes('Tag', input), accepts(tagSchema, input)]).toEqual([true, false]);
  });

  test('accept keys that exceed the limit in bytes and not in characters, which the service rejects', () => {
    const input = 'é'.repeat(513);
    expect([describes('Key', input), accepts(keySchema, input)]).toEqual([true, false]);
  });
});
