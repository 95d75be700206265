import { LONG_RUN } from '../support/long-run.ts';
import { testScenarios } from './harness/short.ts';
import { tested, testedInShort } from './scenarios.ts';

testScenarios(LONG_RUN ? tested : testedInShort);
