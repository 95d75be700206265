import fc from 'fast-check';
import type { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { infoFields, masters, rawClient } from '../support/engines/inspect.ts';
import { globMatches } from '../support/glob.ts';
import { numRuns } from '../support/long-run.ts';
import { newTenant } from './backends.ts';

// Few letters, so that patterns match keys often. Two letters have several bytes, because the engines match bytes.
const LETTERS = ['a', 'b', 'c', 'é', '漢'];
const SPECIAL = ['*', '?', '[', ']', '^', '-', '\\'];

const letter = fc.constantFrom(...LETTERS);
const ascii = fc.constantFrom('a', 'b', 'c');
const key = fc.string({ unit: fc.constantFrom(...LETTERS, ...SPECIAL), minLength: 1, maxLength: 8 });

/** A class that all engines match in the same way: it is closed, and its ranges consist of ASCII letters. */
const tidyClass = fc
  .tuple(
    fc.constantFrom('', '^'),
    fc.array(
      fc.oneof(
        letter,
        fc.tuple(ascii, ascii).map(([a, b]) => `${a}-${b}`),
        fc.constantFrom(...SPECIAL).map((c) => `\\${c}`),
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    ),
  )
  .map(([not, parts]) => `[${not}${parts.join('')}]`);
const escaped = fc.constantFrom(...SPECIAL, 'a').map((c) => `\\${c}`);
const tidy = fc
  .array(fc.oneof({ weight: 3, arbitrary: letter }, fc.constantFrom('*', '?'), escaped, tidyClass), {
    minLength: 1,
    maxLength: 8,
  })
  .map((parts) => parts.join(''));
const anything = fc.string({ unit: fc.constantFrom('a', 'b', 'c', ...SPECIAL), minLength: 1, maxLength: 10 });

const cases = (pattern: fc.Arbitrary<string>) =>
  fc.record({
    patterns: fc.array(pattern, { minLength: 20, maxLength: 20 }),
    keys: fc.uniqueArray(key, { minLength: 20, maxLength: 40 }),
  });

describe("the service's glob and the tests' own", () => {
  let client: Redis | Cluster;
  const hash = `{glob:${newTenant()}}`;

  beforeAll(async () => {
    client = await rawClient(inject('singleUrl'));
  });
  afterAll(async () => {
    await client.del(hash);
    await client.quit();
  });

  /** The names that the engine matches. It matches fields of a hash by the same code as keys, and no other test uses the hash. */
  async function matchedByEngine(pattern: string): Promise<string[]> {
    const found: string[] = [];
    let cursor = '0';
    do {
      const [next, pairs] = await client.hscan(hash, cursor, 'MATCH', pattern, 'COUNT', 1000);
      found.push(...pairs.filter((_, i) => i % 2 === 0));
      cursor = next;
    } while (cursor !== '0');
    return found.sort();
  }

  async function compare({ patterns, keys }: { patterns: string[]; keys: string[] }): Promise<void> {
    await client.del(hash);
    await client.hset(hash, Object.fromEntries(keys.map((name) => [name, '1'])));
    const engine = await Promise.all(patterns.map(matchedByEngine));
    const matchedBy = (matches: (pattern: string) => (name: string) => boolean) =>
      Object.fromEntries(patterns.map((pattern) => [pattern, keys.filter(matches(pattern)).sort()]));
    const expected = Object.fromEntries(patterns.map((pattern, i) => [pattern, engine[i]]));
    const ours = matchedBy((pattern) => {
      const glob = compileGlob(pattern);
      return (name) => glob.matches(Buffer.from(name));
    });
    expect(ours).toEqual(expected);
    expect(matchedBy((pattern) => (name) => globMatches(pattern, name))).toEqual(expected);
  }

  test('match what the server matches, for well-formed patterns', async () => {
    await fc.assert(fc.asyncProperty(cases(tidy), compare), { numRuns: numRuns(150) });
  });

  test('match what Redis matches, for patterns with unclosed classes and stray special characters', async () => {
    const [node] = masters(client);
    const { dragonfly_version } = await infoFields(node as Redis, 'server');
    // The matcher of Dragonfly gives the same result as that of Redis only for well-formed patterns.
    const patterns = dragonfly_version ? tidy : anything;
    await fc.assert(fc.asyncProperty(cases(patterns), compare), { numRuns: numRuns(150) });
  });
});
