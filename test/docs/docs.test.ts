import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LONG_RUN } from '../support/long-run.ts';
import type { DocsPage } from './page.ts';
import { timeout, useDocs } from './setup.ts';

const API = '/api/v1/cache';
const SET = ['POST', API] as const;
const GET = ['GET', `${API}/{key}`] as const;

const DESKTOP = { viewport: { width: 1280, height: 900 } };
const PHONE = { viewport: { width: 390, height: 844 } };
const WINDOWS = [
  ['on a desktop', DESKTOP],
  ['in a window 390 pixels wide', PHONE],
] as const;

const page = useDocs();

describe.each(LONG_RUN ? WINDOWS : WINDOWS.slice(0, 1))('the docs page %s', { timeout }, (_, size) => {
  let docs: DocsPage;

  beforeEach(async () => {
    docs = await page.open(size);
  });
  afterEach(() => page.close(docs));

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
