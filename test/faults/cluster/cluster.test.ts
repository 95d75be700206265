import { describe } from 'vitest';
import { keepTheirPromises } from '../harness/short.ts';
import { scenarios } from './index.ts';

describe('a cluster', () => keepTheirPromises(scenarios));
