import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import type { DocsPage, KeyList } from './page.ts';
import { timeout, useDocs } from './setup.ts';

const page = useDocs();

describe('the list of keys on the docs page', { timeout }, () => {
  let docs: DocsPage;
  let keys: KeyList;
  let cache: CacheClient;

  beforeEach(async () => {
    cache = new CacheClient({ url: page.url(), tenant: newTenant() });
    docs = await page.open({ viewport: { width: 390, height: 844 } });
    keys = docs.keys;
    await keys.open();
    await keys.field('Tenant').fill(cache.tenant);
  });
  afterEach(() => page.close(docs));

  async function list(expected: string): Promise<void> {
    await keys.button('List').click();
    await expect.poll(() => keys.status.textContent()).toBe(expected);
  }
  const names = async () => (await keys.rows()).map(([key]) => key);

  test('shows the keys that match a pattern and have a tag, with their TTL and tags', async () => {
    const markup = '<b>a&b</b> #?';
    await cache.set(markup, 1, { ttl: 3000, tags: ['x, y&', 'z'] });
    await cache.set('user:1', 1, { tags: ['z'] });
    await cache.set(`user:${'2'.repeat(1000)}`, 1);
    await list('3 keys.');
    const [[key, ttl] = []] = await keys.rows();
    expect(key).toBe(markup);
    expect(await keys.section.locator('tbody tr').first().locator('li').allTextContents()).toEqual([
      'x, y&',
      'z',
    ]);
    expect(ttl).toMatch(/^(3000|2\d\d\d) s$/);
    const { page, window } = await docs.widths();
    expect(page).toBeLessThanOrEqual(window);
    await keys.field('Tag').fill('z');
    await list('2 keys.');
    await keys.field('Pattern').fill('user:*');
    await list('1 key.');
    expect(await names()).toEqual(['user:1']);
    await keys.field('Tag').fill('x, y&');
    await list('No keys.');
    expect(await keys.section.locator('table').isVisible()).toBe(false);
    expect(docs.complaints).toEqual([]);
  });

  test('shows the next page, of the tenant and the pattern that were listed', async () => {
    const all = Array.from({ length: 102 }, (_, i) => `k:${1000 + i}`);
    await cache.setMany([...all, 'other'].map((key) => ({ key, value: 1 })));
    await keys.field('Pattern').fill('k:*');
    await list('100 keys on this page. There are more.');
    expect(await names()).toEqual(all.slice(0, 100));
    await keys.field('Pattern').fill('none');
    await keys.field('Tenant').fill('another-tenant');
    await keys.button('Next page').click();
    await expect.poll(() => keys.status.textContent()).toBe('2 keys.');
    expect(await names()).toEqual(all.slice(100));
    expect(await keys.button('Next page').isVisible()).toBe(false);
  });

  test('deletes one key, or all on the page, of the tenant that was listed', async () => {
    const all = ['a', 'b/../c?&', 'd', 'e'];
    await cache.setMany(all.map((key) => ({ key, value: 1 })));
    await list('4 keys.');
    await keys.field('Tenant').fill('another-tenant');
    await keys.button('Delete b/../c?&').click();
    await expect.poll(() => keys.status.textContent()).toBe('Deleted b/../c?&.');
    expect(await names()).toEqual(['a', 'd', 'e']);
    expect((await cache.getMany(all)).map(({ found }) => found)).toEqual([true, false, true, true]);
    const focused = await docs.page.evaluate("document.activeElement.getAttribute('aria-label')");
    expect(focused).toBe('Delete d');
    const requests: string[] = [];
    docs.page.on('request', (request) => requests.push(request.url()));
    await keys.button('Delete all on this page').dblclick();
    await expect.poll(() => keys.status.textContent()).toBe('Deleted 3 keys.');
    expect(requests).toEqual([expect.stringContaining('/batch/delete')]);
    expect(await names()).toEqual([]);
    expect((await cache.usage()).entries).toBe(0);
    expect(docs.complaints).toEqual([]);
  });

  test('shows why the service rejects a request', async () => {
    await keys.field('Tenant').fill('not a tenant');
    await keys.button('List').click();
    await expect.poll(() => keys.status.textContent()).toContain('must be 1 to 128 letters');
  });
});
