import type { Part } from '../part.ts';
import { clear } from './clear.ts';
import { invalidation } from './invalidation.ts';
import { invocation } from './invocation.ts';
import { local } from './local.ts';
import { memory } from './memory.ts';
import { sets } from './sets.ts';
import { start } from './start.ts';

/** Every part there is, in the order in which they run. */
export const parts: readonly Part[] = [invocation, start, invalidation, clear, memory, sets, local];
