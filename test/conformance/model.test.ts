import fc from 'fast-check';
import { describe, test } from 'vitest';
import { LONG_RUN, numRuns } from '../support/long-run.ts';
import { type Backend, newTenant } from './backends.ts';
import { ModelledStore } from './model.ts';
import { everywhere } from './over-the-wire.ts';

/** Parts of tenants' names, keys and patterns that try to be read as something else. */
const TENANTS = ['a', 'a.b', 'A', '0', 'cache', 'a-e'];
const KEYS = [
  'k',
  'kk',
  'k:1',
  'k:2',
  'a:k',
  '*',
  '[k]',
  '\\',
  '?',
  'é',
  '漢',
  '{cache:a:0}:gen',
  '{cache:a:0}:e:k',
  ':e:k',
  '}',
];
const PATTERNS = [
  '*',
  'k*',
  '*k',
  'k:?',
  'k:[12]',
  '[^k]*',
  '?',
  '*:*',
  '\\*',
  '*e:*',
  '{cache:*',
  '*gen',
  '??',
  '漢*',
  '*}*',
  'k',
  'a:k',
];

/** Some of them are also keys. */
const TAGS = ['k', 'a', 'b', '*', 'é'];

type Step = (model: ModelledStore, tenant: (name: string) => string) => Promise<void>;

const step = (longestPassMs: number): fc.Arbitrary<Step> => {
  const tenant = fc.constantFrom(...TENANTS);
  const key = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...KEYS) },
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 5 }),
  );
  const tags = fc.array(fc.constantFrom(...TAGS), { maxLength: 3 });
  // Few, so that leases, fills and removals meet.
  const leasedKey = fc.constantFrom('k', 'kk', 'k:1', '*', ':e:k');
  const value = fc.json();
  // Half of the entries live long, the others expire while the test runs.
  const ttl = fc.constantFrom(1, 1, 2, 1000, 1000, 1000);
  const grace = fc.constantFrom(0, 0, 2, 1000);
  const leaseSeconds = fc.constantFrom(1, 2, 300, 300);
  const age = fc.constantFrom(0, 0, 0, 1);
  const keys = fc.array(key, { minLength: 1, maxLength: 12 });
  const items = fc.array(fc.tuple(key, value, ttl), { minLength: 1, maxLength: 12 });
  // The client sends each key once, and so cannot repeat one with and without a lease.
  const distinctItems = fc.uniqueArray(fc.tuple(key, value, ttl), {
    minLength: 1,
    maxLength: 12,
    selector: ([name]) => name,
  });
  const pattern = fc.oneof(
    fc.constantFrom(...PATTERNS),
    fc.constantFrom(...KEYS).map((text) => `${text.replace(/[*?[\]\\]/g, '\\$&')}*`),
  );
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc
        .tuple(tenant, key, value, ttl, grace)
        .map(named('set', (model, ...args) => model.set(...args))),
    },
    { weight: 5, arbitrary: fc.tuple(tenant, key).map(named('get', (model, ...args) => model.get(...args))) },
    {
      weight: 2,
      arbitrary: fc.tuple(tenant, key).map(named('delete', (model, ...args) => model.delete(...args))),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(tenant, key, ttl).map(named('touch', (model, ...args) => model.touch(...args))),
    },
    {
      weight: 6,
      arbitrary: fc
        .tuple(tenant, leasedKey, leaseSeconds, tags)
        .map(named('lease', (model, ...args) => model.lease(...args))),
    },
    {
      weight: 5,
      arbitrary: fc
        .tuple(tenant, leasedKey, value, ttl, grace, age, tags)
        .map(named('fill', (model, ...args) => model.fill(...args))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tenant, keys, leaseSeconds)
        .map(named('leaseMany', (model, ...args) => model.leaseMany(...args))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tenant, distinctItems)
        .map(named('fillMany', (model, ...args) => model.fillMany(...args))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tenant, leasedKey, age)
        .map(named('release', (model, ...args) => model.release(...args))),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(tenant, items).map(named('setMany', (model, ...args) => model.setMany(...args))),
    },
    {
      weight: 3,
      arbitrary: fc.tuple(tenant, keys).map(named('getMany', (model, ...args) => model.getMany(...args))),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(tenant, keys)
        .map(named('deleteMany', (model, ...args) => model.deleteMany(...args))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tenant, pattern)
        .map(named('invalidate', (model, ...args) => model.invalidate(...args))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(tenant, fc.array(fc.constantFrom(...TAGS), { minLength: 1, maxLength: 2 }))
        .map(named('invalidateTags', (model, ...args) => model.invalidateTags(...args))),
    },
    { weight: 1, arbitrary: fc.tuple(tenant).map(named('clear', (model, ...args) => model.clear(...args))) },
    { weight: 1, arbitrary: fc.tuple(tenant).map(named('usage', (model, ...args) => model.usage(...args))) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: longestPassMs }).map(passing) },
  );
};

/** Steps on two keys of one tenant, so that leases, stale values, fills and removals of one key meet. */
const leaseStep = (longestPassMs: number): fc.Arbitrary<Step> => {
  const tenant = fc.constant('a');
  const key = fc.constantFrom('k', 'k', 'k', 'kk');
  const value = fc.nat().map(String);
  const ttl = fc.constantFrom(1, 1, 1000);
  const grace = fc.constantFrom(0, 2, 1000, 1000);
  const leaseSeconds = fc.constantFrom(1, 1, 300);
  const age = fc.constantFrom(0, 0, 0, 1);
  const tags = fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 });
  const pass = fc.integer({ min: 1, max: longestPassMs }).map(passing);
  const lease = fc
    .tuple(tenant, key, leaseSeconds, tags)
    .map(named('lease', (model, ...args) => model.lease(...args)));
  const fill = fc
    .tuple(tenant, key, value, ttl, grace, age, tags)
    .map(named('fill', (model, ...args) => model.fill(...args)));
  return fc.oneof(
    { weight: 5, arbitrary: pass },
    { weight: 6, arbitrary: lease },
    { weight: 6, arbitrary: fill },
    ...[
      fc
        .tuple(tenant, key, value, ttl, grace, tags)
        .map(named('set', (model, ...args) => model.set(...args))),
      fc.tuple(tenant, key, ttl).map(named('touch', (model, ...args) => model.touch(...args))),
      fc.tuple(tenant, key).map(named('get', (model, ...args) => model.get(...args))),
      fc.tuple(tenant, key).map(named('delete', (model, ...args) => model.delete(...args))),
      fc.tuple(tenant, key, age).map(named('release', (model, ...args) => model.release(...args))),
      fc
        .tuple(tenant, fc.constantFrom('*', 'k*', 'kk*'))
        .map(named('invalidate', (model, ...args) => model.invalidate(...args))),
      fc.tuple(tenant).map(named('usage', (model, ...args) => model.usage(...args))),
      fc
        .tuple(tenant, fc.subarray(['a', 'b'], { minLength: 1 }))
        .map(named('invalidateTags', (model, ...args) => model.invalidateTags(...args))),
    ].map((arbitrary) => ({ weight: 1, arbitrary })),
  );
};

/** A step that says what it is when a counterexample is printed. */
function named<A extends [string, ...unknown[]]>(
  name: string,
  run: (model: ModelledStore, ...args: A) => Promise<void>,
) {
  return ([first, ...rest]: A): Step => {
    const run_: Step = (model, tenant) => run(model, ...([tenant(first), ...rest] as unknown as A));
    return Object.assign(run_, {
      toString: () => `${name}(${[first, ...rest].map((arg) => JSON.stringify(arg)).join(', ')})`,
    });
  };
}

function passing(ms: number): Step {
  const run: Step = (model) => model.pass(ms);
  return Object.assign(run, { toString: () => `pass(${ms})` });
}

interface Effort {
  /** Sequences that run at the same time, each with tenants of its own. */
  lanes: number;
  runs: number;
  longestPassMs: number;
  slackMs?: number;
}

/** A sequence on a server waits in real time. The embedded store has a clock that the test sets, which is exact. */
function effort({ url }: Backend): Effort {
  return url
    ? { lanes: 16, runs: LONG_RUN ? 6 : 2, longestPassMs: 800 }
    : { lanes: 1, runs: numRuns(400), longestPassMs: 5000, slackMs: 25 };
}

describe.each(everywhere)('a store, $name', (backend) => {
  test.each([
    ['any sequence of operations of any tenants', step],
    ['any sequence of leases, fills and removals of the same keys', leaseStep],
  ])(
    'returns what a model of it allows, for %s',
    async (_, stepOf) => {
      const { lanes, runs, longestPassMs, slackMs } = effort(backend);
      const opened = await backend.open();
      const property = fc.asyncProperty(
        fc.array(stepOf(longestPassMs), { minLength: 5, maxLength: 60 }),
        async (steps) => {
          const model = new ModelledStore(opened, slackMs);
          const run = newTenant();
          for (const each of steps) await each(model, (name) => `${run}.${name}`);
        },
      );
      try {
        await Promise.all(
          Array.from({ length: lanes }, () =>
            fc.assert(property, { numRuns: runs, endOnFailure: lanes > 1 }),
          ),
        );
      } finally {
        await opened.store.close();
      }
    },
    600_000,
  );
});
