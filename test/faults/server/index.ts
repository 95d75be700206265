import type { Scenario } from '../harness/scenario.ts';
import { scenarios as restarted } from './restarted.ts';
import { snapshot } from './snapshot.ts';

export const scenarios: readonly Scenario[] = [...restarted, snapshot];
