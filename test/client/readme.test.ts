import { execFile } from 'node:child_process';
import { stripTypeScriptTypes } from 'node:module';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { type Service, startService } from '../http/service.ts';
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
    // On a busy machine, a second of the TTL may have passed.
    expect(said.map((line) => line.replace(/ 35\d\d$/, ' 3600'))).toEqual([promised]);
    expect(answer).toBe('answer 1');
    expect(embeddings).toEqual(['chunk:1', 'chunk:2'].map((key) => ({ key, found: false })));
    expect(await cache.get('user:123')).toEqual({ key: 'user:123', found: false });
    expect(await cache.get('answer:abc')).toMatchObject({ found: true, value: 'answer 1' });
  } finally {
    await service.stop();
  }
});

describe('docs/leases.md', () => {
  const text = read('docs/leases.md');
  let service: Service;
  let cache: PatientClient;
  beforeAll(async () => {
    service = await startService();
    cache = new PatientClient({ url: service.url, tenant: 'tenant_123' });
  });
  afterAll(() => service.stop());

  test('has a listing that caches what it says', async () => {
    const [, listing = ''] = /```ts\n(.*?)```/s.exec(text) ?? [];
    const askModel = async (question: string) => `answer to ${question}`;
    const embed = async (chunks: string[]) => chunks.map((chunk) => [chunk.length]);
    const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
    const run = new AsyncFunction(
      'cache',
      'question',
      'askModel',
      'embed',
      `${listing}\nreturn [answer, vectors];`,
    );
    expect(await run(cache, 'why?', askModel, embed)).toEqual(['answer to why?', [[7], [7]]]);
    expect(await cache.get('answer:42')).toMatchObject({ value: 'answer to why?' });
    expect(await cache.get('chunk:2')).toMatchObject({ value: [7] });
    await cache.clear();
  });

  test('has requests that the service accepts, and shows their responses', async () => {
    const requests = [...text.matchAll(/^curl .*?-d '[^\n]*'$/gms)].map(([command]) => command);
    const send = async (command: string | undefined, token = '') => {
      const url = `${service.url}/`;
      const filled = (command ?? '').replace('http://localhost:8080/', url).replace('TOKEN', token);
      const { stdout } = await promisify(execFile)('sh', ['-c', `${filled} -w ' %{http_code}'`]);
      const [, body = '', status] = /^(.*) (\d+)$/s.exec(stdout) ?? [];
      return { status, data: body ? JSON.parse(body).data : undefined };
    };
    const [lease, set, release] = requests;
    expect(requests).toHaveLength(3);
    const granted = await send(lease);
    expect(granted.data).toEqual({
      key: 'answer:42',
      found: false,
      lease: { token: expect.any(String), ttl: 60 },
    });
    const held = { key: 'answer:42', found: false, retry_after_ms: expect.any(Number) };
    expect((await send(lease)).data).toEqual(held);
    const { token } = granted.data.lease;
    expect((await send(set, token)).status).toBe('201');
    expect((await send(set, token)).status).toBe('201');
    expect((await send(lease)).data).toMatchObject({ value: 'because', found: true, stale: false });
    expect((await send(release, token)).status).toBe('204');
    await cache.delete('answer:42');
    expect((await send(set, token)).status).toBe('409');
  });
});

test('docs/client.md lists every method of the client', () => {
  const rows = tableRows(read('docs/client.md'), 'method', 'returns').map(([method = '']) => method);
  const listed = rows.flatMap((row) => [...row.matchAll(/`(\w+)\(/g)].map(([, name]) => name));
  const { constructor: _, tenant: __, ...methods } = Object.getOwnPropertyDescriptors(CacheClient.prototype);
  expect(listed.sort()).toEqual(Object.keys(methods).sort());
});
