import type { Scenario } from '../harness/scenario.ts';
import { failover } from './failover.ts';
import { moved } from './moved.ts';
import { awaited, unseen } from './unseen.ts';

export const scenarios: readonly Scenario[] = [failover, moved, unseen, awaited];
