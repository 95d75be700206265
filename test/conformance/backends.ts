import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, inject } from 'vitest';
import { type Config, readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { MemoryStore } from '../../lib/store/memory/store.ts';
import { openStore } from '../../lib/store/open.ts';
import {
  type CacheStore,
  noLimits,
  noObserver,
  type StorageLimitsOf,
  type StoreObserver,
} from '../../lib/store/store.ts';
import { LONG_RUN, mainTargets } from '../support/long-run.ts';
import { PATIENT } from '../support/patience.ts';

/** A kind of store under test. */
export interface Backend {
  name: string;
  /** Undefined for the embedded store. */
  url: string | undefined;
  open(settings?: Partial<Config>, limitsOf?: StorageLimitsOf, observer?: StoreObserver): Promise<OpenStore>;
}

export interface OpenStore {
  store: CacheStore;
  /** Advances the store's clock by `ms`, or waits for that time if the store uses the real clock. */
  pass(ms: number): Promise<void>;
  /** The time of the store's clock, in epoch milliseconds. */
  now(): number;
}

const embedded: Backend = {
  name: 'embedded',
  url: undefined,
  open: async (settings = {}, limitsOf = noLimits, observer = noObserver) => {
    let ahead = 0;
    const now = () => Date.now() + ahead;
    return {
      store: new MemoryStore({ ...readConfig({}), ...settings, limitsOf, observer, nowEpochMs: now }),
      now,
      pass: async (ms) => {
        ahead += ms;
      },
    };
  },
};

/** All stores: the embedded store, and one for each server or cluster of this run. */
export const backends: Backend[] = [
  embedded,
  ...inject('targets').map(
    ({ name, url }): Backend => ({ name, url, open: (...options) => open(url, ...options) }),
  ),
];

/** The stores for suites that test what is above them: the embedded store, and one server or, in a long run, each one. */
export const mainBackends: Backend[] = backends.filter(
  ({ url }) => url === undefined || mainTargets.some((target) => target.url === url),
);

/** The stores for suites of code that does not depend on the store: in a long run those of `mainBackends`, otherwise one server. */
export const serviceBackends = LONG_RUN ? mainBackends : mainBackends.filter(({ url }) => url !== undefined);

async function open(
  url: string,
  settings: Partial<Config> = {},
  limitsOf = noLimits,
  observer = noObserver,
): Promise<OpenStore> {
  const config = { ...readConfig({ ...PATIENT, DRAGONFLY_URL: url, LOG_LEVEL: 'ERROR' }), ...settings };
  const store = await openStore(config, createLog(config), observer, limitsOf);
  // A timer drops the fraction of a millisecond, and its clock may be ahead of the server's by another one.
  return { store, pass: (ms) => sleep(Math.ceil(ms) + 2), now: Date.now };
}

let tenants = 0;

/** A new unique tenant, so that tests can share a server. */
export function newTenant(): string {
  return `t${process.pid}-${Date.now().toString(36)}-${++tenants}`;
}

/** JSON texts of 100 kB: compressed, one is some bytes long, the other still 75 kB. */
export const LARGE_VALUES: readonly string[] = [
  JSON.stringify('lorem ipsum '.repeat(8000)),
  JSON.stringify(createHash('shake256', { outputLength: 75_000 }).digest('base64')),
];

/** A deadline that is late enough for every operation of a test. */
export const soon = (): number => Date.now() + 25_000;

/** Runs 250 operations at a time. If all of them ran at once, the last ones could time out while they wait for the others. */
export async function inBatches<T>(items: T[], action: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += 250) await Promise.all(items.slice(at, at + 250).map(action));
}

/** Entries of one `setMany` or `getMany` here, as many as callers may have in a batch. */
const BATCH = 100;

/** Sets the same value for many keys, which takes a fraction of the time of single sets. */
export async function setMany(
  store: CacheStore,
  tenant: string,
  keys: string[],
  value: string,
  ttlSeconds = 100,
): Promise<void> {
  const items = keys.map((key) => ({ key, value, ttlSeconds }));
  for (let at = 0; at < items.length; at += BATCH) await store.setMany(tenant, items.slice(at, at + BATCH));
}

/** The keys that are present, with their values, in the order of `keys`. */
export async function getPresent(
  store: CacheStore,
  tenant: string,
  keys: string[],
): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let at = 0; at < keys.length; at += BATCH) {
    const batch = keys.slice(at, at + BATCH);
    const hits = await store.getMany(tenant, batch, Number.MAX_SAFE_INTEGER);
    for (const [index, hit] of hits.entries()) if (hit) found.set(batch[index] as string, hit.value);
  }
  return found;
}

/** Matches the remaining seconds of a TTL of at least ten seconds that was just set, with a tolerance for busy machines. */
export const leftOf = (ttl: number) =>
  expect.toSatisfy(
    (left) => Number.isInteger(left) && left <= ttl && left > ttl - 10,
    `up to ${ttl}, set a moment ago`,
  );
