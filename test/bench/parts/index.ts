import type { Part } from '../part.ts';
import { batch } from './batch.ts';
import { clear } from './clear.ts';
import { growth } from './growth.ts';
import { invalidation } from './invalidation.ts';
import { invocation } from './invocation.ts';
import { leases } from './leases.ts';
import { limits } from './limits.ts';
import { local } from './local.ts';
import { memory } from './memory.ts';
import { peer } from './peer.ts';
import { sets } from './sets.ts';
import { start } from './start.ts';
import { tags } from './tags.ts';
import { telemetry } from './telemetry.ts';

/** All parts in the order in which they run. */
export const parts: readonly Part[] = [
  invocation,
  peer,
  batch,
  leases,
  start,
  telemetry,
  invalidation,
  tags,
  limits,
  clear,
  growth,
  memory,
  sets,
  local,
];
