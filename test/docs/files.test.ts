import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { detailsOf } from '../http/client.ts';
import { rawRequest } from '../http/gateway-raw.ts';
import { type Service, startService } from '../http/service.ts';

const FILES = [
  ['/docs', 'text/html; charset=utf-8'],
  ['/docs/', 'text/html; charset=utf-8'],
  ['/docs?try=this', 'text/html; charset=utf-8'],
  ['/docs/page.css', 'text/css; charset=utf-8'],
  ['/docs/page.js', 'text/javascript; charset=utf-8'],
  ['/docs/keys.js', 'text/javascript; charset=utf-8'],
  ['/docs/favicon.svg', 'image/svg+xml'],
  ['/docs/viewer.css', 'text/css; charset=utf-8'],
  ['/docs/viewer.js', 'text/javascript; charset=utf-8'],
] as const;

let service: Service;

beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

const get = (target: string, headers: string[] = []) => rawRequest(service.port, { target, headers });

describe.each(FILES)('%s', (target, type) => {
  test('is served with its content type and a policy that blocks other origins', async () => {
    const { status, headers, body } = await get(target);
    expect(status).toBe(200);
    expect(headers).toMatchObject({ 'content-type': type, 'x-content-type-options': 'nosniff' });
    expect(headers['content-length']).toBe(String(body.length));
    const policy = (headers['content-security-policy'] ?? '').split('; ');
    expect(policy).toContain("default-src 'none'");
    for (const sources of policy) expect(sources).toMatch(/^[a-z-]+( ('self'|'none'|data:))+$/);
  });

  test('answers HEAD with the same headers and no body', async () => {
    const [whole, head] = [await get(target), await rawRequest(service.port, { method: 'HEAD', target })];
    expect([head.status, head.body.length]).toEqual([200, 0]);
    for (const name of ['content-type', 'content-length', 'etag', 'content-security-policy']) {
      expect(head.headers[name]).toBe(whole.headers[name]);
    }
  });

  test('is answered with 304 if the ETag matches', async () => {
    const { headers } = await get(target);
    expect(headers['cache-control']).toBe('no-cache');
    const again = await get(target, ['If-None-Match', `"another", W/${headers.etag}`]);
    expect([again.status, again.body.length]).toEqual([304, 0]);
    expect(again.headers.etag).toBe(headers.etag);
    expect((await get(target, ['If-None-Match', '"another"'])).status).toBe(200);
  });
});

test('the page refers to its own files only', async () => {
  const { text } = await get('/docs');
  const references = [...text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, reference]) => reference);
  expect(references).toHaveLength(7);
  for (const reference of references) {
    expect(reference).toMatch(/^\/[a-z]/);
    expect((await get(reference as string)).status, reference).toBe(200);
  }
  for (const sheet of ['/docs/page.css', '/docs/viewer.css']) {
    const { text } = await get(sheet);
    for (const [, url] of text.matchAll(/url\(\s*["']?([^)"']{0,20})/g)) expect(url).toMatch(/^data:/);
    expect(text).not.toContain('@import');
  }
});

test.each([
  ['GET', '/docs/nothing'],
  ['GET', '/docs/index.html'],
  ['GET', '/docs/viewer.js.map'],
  ['GET', '/docs/page.js/'],
  ['GET', '/docs//page.js'],
  ['GET', '/docs/../docs/files.ts'],
  ['GET', '/docs/%2e%2e/files.ts'],
  ['GET', '/docs/..%2ffiles.ts'],
  ['GET', '/docs/%2e%2e%5cfiles.ts'],
  ['GET', '/docs/%00'],
  ['GET', '/docs/constructor'],
  ['GET', '/docsx'],
  ['GET', '/Docs'],
  ['HEAD', '/docs/nothing'],
  ['POST', '/docs'],
  ['PUT', '/docs/page.js'],
  ['DELETE', '/docs'],
  ['OPTIONS', '/docs'],
])("is answered with the contract's 404: %s %s", async (method, target) => {
  const answer = await rawRequest(service.port, { method, target });
  if (method === 'HEAD') expect(answer.status).toBe(404);
  else detailsOf(answer, 404, 'NOT_FOUND');
});

test('there is no docs page if its viewer is not installed', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'cache-docs-'));
  try {
    // Above it there are no packages.
    await cp(fileURLToPath(new URL('../../infra/server/docs', import.meta.url)), directory, {
      recursive: true,
    });
    const copy = pathToFileURL(join(directory, 'index.ts'));
    const script = `import { findDocs } from '${copy}'; console.log(findDocs());`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script]);
    expect(stdout).toBe('undefined\n');
  } finally {
    await rm(directory, { recursive: true });
  }
});
