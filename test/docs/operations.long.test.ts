import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DocsPage } from './page.ts';
import { timeout, useDocs } from './setup.ts';

const page = useDocs();

// The heights depend on the machine's font. They hold for DejaVu Sans, one of the widest.
describe.each([
  ['1280 × 900', { viewport: { width: 1280, height: 900 } }, 2_700],
  ['390 × 844', { viewport: { width: 390, height: 844 } }, 4_700],
] as const)('the docs page in a window of %s pixels', { timeout }, (_, size, maxHeight) => {
  let docs: DocsPage;

  beforeEach(async () => {
    docs = await page.open(size);
  });
  afterEach(() => page.close(docs));

  test('shows every operation of the document with its form, within the width of the window and a bounded height', async () => {
    const document = (await (await fetch(`${page.url()}/openapi.json`)).json()) as {
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
});
