import type { Scenario } from '../harness/scenario.ts';
import { scenarios as states } from './states.ts';
import { scenarios as strangers } from './strangers.ts';

export const scenarios: readonly Scenario[] = [...states, ...strangers];
