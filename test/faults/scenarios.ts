import { scenarios as hostile } from '../hostile/index.ts';
import { scenarios as cluster } from './cluster/index.ts';
import { scenarios as collector } from './collector/index.ts';
import { scenarios as connections } from './connections/index.ts';
import { scenarios as deadline } from './deadline/index.ts';
import { scenarios as embedded } from './embedded/index.ts';
import { scenarios as events } from './events/index.ts';
import { scenarios as eviction } from './eviction/index.ts';
import { scenarios as frozen } from './frozen/index.ts';
import type { Scenario } from './harness/scenario.ts';
import { scenarios as refusals } from './refusals/index.ts';
import { scenarios as server } from './server/index.ts';
import { scenarios as storm } from './storm/index.ts';

/** Every scenario, in the order of the table. A folder each, whose `index.ts` lists its own. */
export const scenarios: readonly Scenario[] = [
  ...server,
  ...connections,
  ...frozen,
  ...refusals,
  ...storm,
  ...cluster,
  ...eviction,
  ...deadline,
  ...embedded,
  ...events,
  ...collector,
  ...hostile,
];
