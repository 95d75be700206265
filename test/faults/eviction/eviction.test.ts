import { describe } from 'vitest';
import { keepTheirPromises } from '../harness/short.ts';
import { POLICIES } from './caches.ts';
import { comparisons } from './comparison.ts';
import { shortOfMemory } from './under-load.ts';

/** One that spares what is in use, and one that does not. */
const COMPARED = ['hit-rate-allkeys-lru-1000', 'hit-rate-allkeys-random-1000'];

describe('a server that evicts', () => {
  keepTheirPromises(POLICIES.map(shortOfMemory));
  keepTheirPromises(comparisons.filter(({ name }) => COMPARED.includes(name)));
});
