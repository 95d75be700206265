import type { Scenario } from '../harness/scenario.ts';
import { full } from './full.ts';

export const scenarios: readonly Scenario[] = [full];
