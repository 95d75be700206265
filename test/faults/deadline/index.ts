import type { Scenario } from '../harness/scenario.ts';
import { deadline } from './deadline.ts';

export const scenarios: readonly Scenario[] = [deadline];
