import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Service, startService } from '../http/service.ts';
import { LONG_RUN } from '../support/long-run.ts';
import { startBrowser } from './browser.ts';
import { DocsPage } from './page.ts';

const API = '/api/v1/cache';
const SET = ['POST', API] as const;
const GET = ['GET', `${API}/{key}`] as const;

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 } };

/** For a whole test, in milliseconds: see the page's own patience. */
const timeout = 240_000;

let browser: Browser;
let service: Service;

beforeAll(async () => {
  [service, browser] = await Promise.all([startService(), startBrowser()]);
});
afterAll(async () => {
  await Promise.all([service?.stop(), browser?.close()]);
});

const WINDOWS = [
  ['on a desktop', DESKTOP, 2_700],
  ['in a window 390 pixels wide', PHONE, 4_200],
] as const;

describe.each(LONG_RUN ? WINDOWS : WINDOWS.slice(0, 1))(
  'the docs page %s',
  { timeout },
  (_, size, maxHeight) => {
    let docs: DocsPage;

    beforeEach(async () => {
      docs = await DocsPage.open(browser, service.url, size);
    });
    afterEach(async () => {
      await docs.close();
      for (const url of docs.requests) expect(new URL(url).origin).toBe(service.url);
    });

    test('shows every operation of the document with its form, within the width of the window and a bounded height', async () => {
      const document = (await (await fetch(`${service.url}/openapi.json`)).json()) as {
        paths: Record<string, Record<string, unknown>>;
      };
      const documented = Object.entries(document.paths).flatMap(([path, item]) =>
        ['get', 'post', 'delete'].filter((method) => method in item).map((method) => [method, path] as const),
      );
      expect(documented.length).toBeGreaterThan(10);
      expect(await docs.operations.count()).toBe(documented.length);
      for (const [method, path] of documented) {
        const operation = docs.operation(method.toUpperCase(), path);
        await operation.expand();
        const { page, window } = await docs.widths();
        expect(page, path).toBeLessThanOrEqual(window);
        expect(await operation.height(), path).toBeLessThan(maxHeight);
        await operation.collapse();
      }
      expect(docs.complaints).toEqual([]);
    });

    test('sets the example entry, gets it, and shows its value', async () => {
      const set = docs.operation(...SET);
      await set.expand();
      const { key, value } = JSON.parse(await set.body.inputValue());
      expect((await set.execute()).status).toBe('201');
      const get = docs.operation(...GET);
      await get.expand();
      await get.parameter('key').fill(key);
      const { status, body } = await get.execute();
      expect(status).toBe('200');
      expect(JSON.parse(body).data).toMatchObject({ key, value, found: true });
      expect(docs.complaints).toEqual([]);
    });
  },
);

describe('the docs page', { timeout }, () => {
  let docs: DocsPage;

  beforeEach(async () => {
    docs = await DocsPage.open(browser, service.url, DESKTOP);
  });
  afterEach(() => docs.close());

  test('sends and shows numbers as they were typed', async () => {
    const set = docs.operation(...SET);
    await set.expand();
    await set.body.fill('{"key": "numbers", "value": {"score": 1.0, "id": 12345678901234567890}}');
    expect((await set.execute()).status).toBe('201');
    const get = docs.operation(...GET);
    await get.expand();
    await get.parameter('key').fill('numbers');
    expect((await get.execute()).body).toMatch(
      /"value": \{\s+"score": 1\.0,\s+"id": 12345678901234567890\s+\}/,
    );
  });

  test('shows the failure envelope for invalid input', async () => {
    const set = docs.operation(...SET);
    await set.expand();
    await set.body.fill('{"key": "k", "value": 1, "ttl": 0}');
    const { status, body } = await set.execute();
    expect(status).toBe('400');
    expect(JSON.parse(body)).toMatchObject({
      success: false,
      error: { code: 'VALIDATION_ERROR', details: { issues: [{ field: 'ttl' }] } },
    });
  });

  test('blocks scripts that are not its own', async () => {
    await docs.page.evaluate(`
      const script = document.createElement('script');
      script.textContent = 'globalThis.injected = true';
      document.head.append(script);
    `);
    expect(await docs.page.evaluate('globalThis.injected')).toBeUndefined();
    await expect.poll(() => docs.complaints.join()).toContain('Content Security Policy');
  });
});
