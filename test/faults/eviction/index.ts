import type { Scenario } from '../harness/scenario.ts';
import { POLICIES } from './caches.ts';
import { comparisons } from './comparison.ts';
import { shortOfMemory } from './under-load.ts';

export const scenarios: readonly Scenario[] = [...POLICIES.map(shortOfMemory), ...comparisons];
