import { build } from 'esbuild';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leftOf, newTenant } from '../conformance/backends.ts';
import { startBrowser } from '../docs/browser.ts';
import { type Service, startService } from '../http/service.ts';

let browser: Browser;
let service: Service;

beforeAll(async () => {
  [browser, service] = await Promise.all([startBrowser(), startService()]);
});
afterAll(() => Promise.all([browser?.close(), service?.stop()]));

/** Run in the page, where the client is at `/client.js`. */
const SESSION = `async ([url, tenant]) => {
  const { CacheClient, ConnectionError, sigV4 } = await import('/client.js');
  const cache = new CacheClient({ url, tenant });
  await cache.set('a/b?c', { name: 'John' }, { ttl: 60 });
  const produced = await cache.getOrSet('answer', 60, () => 42, { timeoutMs: 20_000 });
  const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
  const signed = await sigV4({ region: 'eu-central-1', credentials })({ method: 'GET', url, headers: {}, body: '' });
  const away = new CacheClient({ url: 'http://127.0.0.1:9', tenant, retries: 0 });
  const failure = await away.get('k').catch((error) => error instanceof ConnectionError);
  return [await cache.get('a/b?c'), produced, await cache.invalidate('*'), signed.authorization.slice(0, 16), failure];
}`;

/** Opens a page of an origin, with the client at `/client.js`. */
async function openPage(origin: string): Promise<Page> {
  const { outputFiles } = await build({
    entryPoints: ['lib/client/index.ts'],
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  });
  const page = await browser.newPage();
  await page.route('**/client.js', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: outputFiles[0]?.text ?? '' }),
  );
  await page.goto(`${origin}/health`);
  return page;
}

const run = (page: Page, url: string) => page.evaluate(`(${SESSION})(${JSON.stringify([url, newTenant()])})`);

const DONE = [
  { found: true, key: 'a/b?c', value: { name: 'John' }, ttl: leftOf(60) },
  42,
  2,
  'AWS4-HMAC-SHA256',
  true,
];

test("the client runs in a page of the service's own origin", async () => {
  expect(await run(await openPage(service.url), service.url)).toEqual(DONE);
});

test('the client runs in pages of CORS_ORIGINS and in no other page', async ({ onTestFinished }) => {
  const other = await startService({ CORS_ORIGINS: service.url });
  onTestFinished(() => other.stop());
  expect(await run(await openPage(service.url), other.url)).toEqual(DONE);
  await expect(openPage(other.url).then((page) => run(page, service.url))).rejects.toThrow(/ConnectionError/);
});
