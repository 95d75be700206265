import { testScenarios } from './harness/short.ts';
import { everyRun } from './scenarios.ts';

testScenarios(everyRun);
