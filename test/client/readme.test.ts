import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { CacheClient } from 'cache-service';
import { expect, test } from 'vitest';
import { startService } from '../http/service.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const [, section = ''] = readme.split('\n## A client\n');
const [, listing = ''] = /```ts\nimport .*\n([^`]*(?:`[^`\n]+`[^`]*)*?)```/.exec(section) ?? [];

test("the README's listing does what it says", async () => {
  const service = await startService();
  try {
    const said: string[] = [];
    const asked: string[] = [];
    // What the listing takes for given.
    const given = {
      CacheClient,
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
