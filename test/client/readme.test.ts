import { stripTypeScriptTypes } from 'node:module';
import { expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { startService } from '../http/service.ts';
import { markdownFiles, read, tableRows } from '../support/markdown.ts';
import { PatientClient } from './service.ts';

/** The first listing in a text that uses the client. */
const listingIn = (text: string) =>
  /```ts\nimport \{ CacheClient .*\n([^`]*(?:`[^`\n]+`[^`]*)*?)```/.exec(text)?.[1];

const listings = markdownFiles.flatMap((path) => {
  const listing = listingIn(read(path));
  return listing === undefined ? [] : [[path, listing] as const];
});

test.each(listings)('the listing in %s returns and prints what it says', async (_, listing) => {
  const service = await startService();
  try {
    const said: string[] = [];
    const asked: string[] = [];
    // What the listing takes for given.
    const given = {
      CacheClient: PatientClient,
      console: { log: (...parts: unknown[]) => said.push(parts.join(' ')) },
      question: 'why?',
      questionHash: 'abc',
      askModel: async (question: string) => `answer ${asked.push(question)}`,
    };
    const code = stripTypeScriptTypes(listing.replace('http://localhost:8080', service.url));
    const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
    const run = new AsyncFunction(...Object.keys(given), `${code}\nreturn { cache, answer, embeddings };`);
    const { cache, answer, embeddings } = await run(...Object.values(given));
    const [, promised] = /console\.log\(.*\/\/ (.*)$/m.exec(listing) ?? [];
    expect(said).toEqual([promised]);
    expect(answer).toBe('answer 1');
    expect(embeddings).toEqual(['chunk:1', 'chunk:2'].map((key) => ({ key, found: false })));
    expect(await cache.get('user:123')).toEqual({ key: 'user:123', found: false });
    expect(await cache.get('answer:abc')).toMatchObject({ found: true, value: 'answer 1' });
  } finally {
    await service.stop();
  }
});

test('docs/client.md lists every method of the client', () => {
  const rows = tableRows(read('docs/client.md'), 'method', 'returns').map(([method = '']) => method);
  const listed = rows.flatMap((row) => [...row.matchAll(/`(\w+)\(/g)].map(([, name]) => name));
  const { constructor: _, tenant: __, ...methods } = Object.getOwnPropertyDescriptors(CacheClient.prototype);
  expect(listed.sort()).toEqual(Object.keys(methods).sort());
});
