import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CacheClient } from '../../lib/client/index.ts';
import { document, operationsOf } from '../openapi/described.ts';
import { findAccessibilityFaults } from './accessibility.ts';
import type { DocsPage } from './page.ts';
import { timeout, useDocs } from './setup.ts';

/** The operation that is open. */
const OPEN = '.opblock.is-open';

/** One operation of each kind: with and without a body, in each colour, of a tenant and of the service. */
const KINDS = ['getEntry', 'deleteEntry', 'invalidateEntries', 'getHealth'];
const operations = operationsOf(document).filter(({ id }) => KINDS.includes(id));

const page = useDocs();

describe.each(['light', 'dark'] as const)('the docs page in %s mode', { timeout }, (colorScheme) => {
  let docs: DocsPage;

  beforeAll(async () => {
    docs = await page.open({ viewport: { width: 1280, height: 900 }, colorScheme });
  }, timeout);
  afterAll(() => page.close(docs));

  test('has no accessibility faults with all operations closed', async () => {
    expect(await findAccessibilityFaults(docs.page)).toEqual([]);
  });

  test('has no accessibility faults in a list of keys', async () => {
    const cache = new CacheClient({ url: page.url(), tenant: 'tenant_123' });
    await cache.setMany(
      Array.from({ length: 101 }, (_, i) => ({ key: `k:${i}`, value: i, tags: ['a', 'b'] })),
    );
    await docs.keys.open();
    await docs.keys.button('List').click();
    await docs.keys.button('Next page').waitFor();
    expect(await findAccessibilityFaults(docs.page)).toEqual([]);
  });

  test.each(operations)(
    'has no accessibility faults in $id after a request was tried',
    async ({ method, path }) => {
      const operation = docs.operation(method, path);
      await operation.expand();
      await operation.expandResponses();
      // An edited body brings a further button and a further example.
      if ((await operation.body.count()) > 0) await operation.body.fill('{ "pattern": "edited:*" }');
      await operation.execute();
      const faults = await findAccessibilityFaults(docs.page, OPEN);
      await operation.showSchemas();
      faults.push(...(await findAccessibilityFaults(docs.page, OPEN)));
      await operation.collapse();
      expect(faults).toEqual([]);
    },
  );
});
