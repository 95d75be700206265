import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DocsPage } from './page.ts';
import { timeout, useDocs } from './setup.ts';

const API = '/api/v1/cache';
const SET = ['POST', API] as const;
const GET = ['GET', `${API}/{key}`] as const;

const page = useDocs();

describe('the docs page', { timeout }, () => {
  let docs: DocsPage;

  beforeEach(async () => {
    docs = await page.open({ viewport: { width: 1280, height: 900 } });
  });
  afterEach(() => page.close(docs));

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

  test('has an example tenant, and sends another one after it is changed', async () => {
    const set = docs.operation(...SET);
    await set.expand();
    expect(await set.parameter('X-Tenant-ID').inputValue()).toBe('tenant_123');
    await set.body.fill('{"key": "whose", "value": "theirs"}');
    await set.parameter('X-Tenant-ID').fill('another-tenant');
    expect((await set.execute()).status).toBe('201');
    const get = docs.operation(...GET);
    await get.expand();
    await get.parameter('key').fill('whose');
    expect(JSON.parse((await get.execute()).body).data).toMatchObject({ found: false });
    await get.parameter('X-Tenant-ID').fill('another-tenant');
    expect(JSON.parse((await get.execute()).body).data).toMatchObject({ value: 'theirs' });
  });

  test('shows the details and headers of a failure on demand', async () => {
    const set = docs.operation(...SET);
    await set.expand();
    const headers = set.block.locator('.response-details .headers');
    expect(await headers.count()).toBe(1);
    const toggle = set.block.getByRole('button', { name: 'Details of 503' });
    await toggle.click();
    expect(await headers.count()).toBe(2);
    expect(await headers.last().innerText()).toContain('Retry-After');
    await toggle.click();
    expect(await headers.count()).toBe(1);
  });

  test("opens at the operation of its URL's fragment", async () => {
    await docs.operation(...GET).expand();
    await docs.page.reload();
    await docs
      .operation(...GET)
      .parameter('key')
      .waitFor();
    expect(await docs.operation(...SET).body.isVisible()).toBe(false);
  });

  test("is dark if the system's colour scheme is dark", async () => {
    const background = () => docs.page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
    const light = await background();
    await docs.page.emulateMedia({ colorScheme: 'dark' });
    await expect.poll(background).not.toBe(light);
  });
});
