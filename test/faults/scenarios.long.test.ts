import { testScenarios } from './harness/short.ts';
import { longRun } from './scenarios.ts';

testScenarios(longRun);
