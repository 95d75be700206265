import { hostileInput } from '../hostile/index.ts';
import { failover } from './cluster/failover.ts';
import { moved } from './cluster/moved.ts';
import { awaited, unseen } from './cluster/unseen.ts';
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
import { refusals } from './refusals/states.ts';
import { rejectedLogins } from './refusals/strangers.ts';
import { restarts } from './server/restarted.ts';
import { snapshot } from './server/snapshot.ts';
import { storm } from './storm/storm.ts';

/** The scenarios in which something is broken, in the order of the table in README.md. */
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
  unseen,
  awaited,
  ...POLICIES.map(shortOfMemory),
  ...comparisons,
  deadline,
  full,
  ...brokenBroker,
  ...brokenCollector,
];

/** What no test runs: of the comparisons of hit rates, the tests run a policy that spares what is in use and one that does not. */
const UNTESTED = [
  'hit-rate-volatile-lru-1000',
  'hit-rate-allkeys-lru-100',
  'hit-rate-volatile-lru-100',
  'hit-rate-allkeys-random-100',
];

/**
 * What `npm test` runs: one scenario of each kind of fault that no other test of it has. Without load, clusters fail in
 * `connection-cluster.test.ts`, an invalidation runs out of time in `conformance`, helper keys are evicted in `races`, brokers fail in
 * `nats`, and collectors fail in `observability`.
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

/** What `npm run test:all` runs. */
export const tested = faults.filter(({ name }) => !UNTESTED.includes(name));

export const testedInShort = faults.filter(({ name }) => SHORT.includes(name));

/** Every scenario of `npm run faults`. The tests of hostile input are in their own folder. */
export const scenarios: readonly Scenario[] = [...faults, ...hostileInput];
