import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runPython } from '../client/python.ts';
import { newTenant } from '../conformance/backends.ts';
import { Client } from '../http/client.ts';
import { type Service, startService } from '../http/service.ts';
import { needs } from '../support/engines/needs.ts';
import { freePort } from '../support/engines/ports.ts';
import { read } from '../support/markdown.ts';
import { run } from './run.ts';

let service: Service;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** The calls that the fake models print. */
function asked(text: string): string[] {
  return text.match(/^(?:agent|search|embed|model): .*$/gm) ?? [];
}

const question = 'agent: Can I send it back?';

/** Timeout of a test, in milliseconds: each test starts many processes, or one process that sends hundreds of requests. */
const timeout = 120_000;

describe('the Python example', { timeout }, () => {
  needs('python');
  // A busy machine may take longer than a second to look a key up.
  const patient = 'import cache_service.settings; cache_service.settings.FILL_TIMEOUT = 20';
  const runExamples = (url: string, tenant: string) =>
    runPython(
      [
        '-c',
        `${patient}; import runpy; runpy.run_path('test/examples/python/examples.py', run_name='__main__')`,
      ],
      { CACHE_URL: url, CACHE_TENANT: tenant },
    );

  test('in the README prints the output that the README shows', async () => {
    const [, listing = ''] = /```python\n([\s\S]*?)```/.exec(read('README.md')) ?? [];
    const [, printed] = /print\(.*# (.*)/.exec(listing) ?? [];
    const script = listing.replace('http://localhost:8080', service.url).replace('tenant_123', newTenant());
    const given = "ask_model = lambda question: f'answer to {question}'";
    const { stdout, stderr } = await runPython(['-c', `${patient}\n${given}\n${script}`], {});
    expect(stdout.trim(), stderr).toBe(printed);
  });

  test('calls models only for responses that are not cached', async () => {
    const tenant = newTenant();
    const first = await runExamples(service.url, tenant);
    expect(asked(first.stdout), first.stderr).toEqual([
      question,
      question,
      'search: one',
      'embed: one, two',
      'embed: three',
      'model: Say hello.',
      'embed: one, two',
    ]);
    const second = await runExamples(service.url, tenant);
    expect(asked(second.stdout)).toEqual(['search: one', 'embed: three', 'embed: one, two']);
    expect([first.code, second.code]).toEqual([0, 0]);
  });

  test('calls models for every response without a reachable cache, and fails if a removal fails', async () => {
    const { code, stdout, stderr } = await runExamples(`http://127.0.0.1:${await freePort()}`, 't');
    expect(asked(stdout)).toHaveLength(9);
    expect(stderr).toContain('doc-17 may still be cached: CONNECTION_FAILED');
    expect(code).toBe(1);
  });
});

describe('the curl example', { timeout }, () => {
  needs('curl');
  const curl = (url: string, tenant: string, args = '') =>
    run('sh', ['curl.sh'], {
      CACHE_URL: url,
      CACHE_TENANT: tenant,
      CACHE_CURL_ARGS: `--max-time 20 ${args}`,
    });

  test('calls models only for responses that are not cached', async () => {
    const client = new Client(service);
    const first = await curl(service.url, client.tenant);
    expect(asked(first.stderr), first.stderr).toEqual([
      question,
      question,
      'search: one',
      'embed: one two',
      'embed: three',
      'model: Say hello.',
      'embed: one two',
    ]);
    expect(await client.held(['agent:support:v3:send-back', 'agent:support:v4:send-back'])).toEqual([
      'agent:support:v4:send-back',
    ]);
    const second = await curl(service.url, client.tenant);
    expect(asked(second.stderr)).toEqual([question, 'search: one', 'embed: three', 'embed: one two']);
    expect(second.stdout).toBe(first.stdout);
    expect([first.code, second.code]).toEqual([0, 0]);
  });

  test('prints values verbatim and in full length', async () => {
    const client = new Client(service);
    const text = `{ "value": 1.0,"found":true,"ttl":1, "text": "\\"value\\":1,\\"found\\":true,${'x'.repeat(300_000)}" }`;
    await client.set('llm:m-1:say-hello', text);
    const { stdout, stderr } = await curl(service.url, client.tenant);
    expect(stdout.split('\n').filter((line) => line === text)).toHaveLength(2);
    expect(asked(stderr)).not.toContain('model: Say hello.');
  });

  test('passes additional curl arguments, such as those for signing', async () => {
    const user = `u-${newTenant()}`;
    await curl(service.url, newTenant(), `--header X-User-ID:${user} --header X-Other:1`);
    await expect.poll(() => service.stdout()).toContain(user);
  });

  test('calls models for every response without a reachable cache, and fails if a removal fails', async () => {
    const { code, stderr } = await curl(`http://127.0.0.1:${await freePort()}`, 't');
    expect(asked(stderr)).toHaveLength(9);
    expect(code).not.toBe(0);
  });
});
