import { hostileInput } from '../hostile/index.ts';
import { failover } from './cluster/failover.ts';
import { confirmedRemovals, lostRemovals } from './cluster/lost-removals.ts';
import { moved } from './cluster/moved.ts';
import { brokenCollector } from './collector/collector.ts';
import { brokenConnections } from './connections.ts';
import { deadline } from './deadline.ts';
import { full } from './embedded.ts';
import { brokenBroker } from './events/events.ts';
import { POLICIES } from './eviction/caches.ts';
import { comparisons } from './eviction/comparison.ts';
import { shortOfMemory } from './eviction/under-load.ts';
import { frozenFunctions } from './frozen.ts';
import type { Scenario } from './harness/scenario.ts';
import { rejectedLogins } from './refusals/logins.ts';
import { refusals } from './refusals/states.ts';
import { restarts } from './server/restarted.ts';
import { snapshot } from './server/snapshot.ts';
import { storm } from './storm/storm.ts';

/** The scenarios with an injected fault, in the order of the table in README.md. */
export const faults: readonly Scenario[] = [
  ...restarts,
  snapshot,
  ...brokenConnections,
  ...frozenFunctions,
  ...refusals,
  ...rejectedLogins,
  storm,
  failover,
  moved,
  lostRemovals,
  confirmedRemovals,
  ...POLICIES.map(shortOfMemory),
  ...comparisons,
  deadline,
  full,
  ...brokenBroker,
  ...brokenCollector,
];

/** Scenarios that no test runs. Of the hit rate comparisons, the tests run one LRU policy and one random policy. */
const UNTESTED = [
  'hit-rate-volatile-lru-1000',
  'hit-rate-allkeys-lru-100',
  'hit-rate-volatile-lru-100',
  'hit-rate-allkeys-random-100',
];

/**
 * Scenarios that `npm test` runs: one for each kind of fault that its other tests do not cover. Other tests cover, without load,
 * failing clusters (`connection-cluster.test.ts`), an invalidation that runs out of time (`conformance`), evicted helper keys
 * (`races`), failing brokers (`nats`) and failing collectors (`observability`).
 */
const SHORT = [
  'server-killed',
  'connection-dark',
  'connection-late',
  'frozen',
  'server-read-only',
  'password-rotated',
  'embedded-full',
];

/** Scenarios that `npm run test:all` runs. */
export const tested = faults.filter(({ name }) => !UNTESTED.includes(name));

export const testedInShort = faults.filter(({ name }) => SHORT.includes(name));

/** Every scenario of `npm run faults`. The tests of hostile input are in their own folder. */
export const scenarios: readonly Scenario[] = [...faults, ...hostileInput];
