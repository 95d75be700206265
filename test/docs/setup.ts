import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { type Service, startService } from '../http/service.ts';
import { startBrowser } from './browser.ts';
import { DocsPage } from './page.ts';

/** Timeout of a test that works the page, in milliseconds: see the page's own patience. */
export const timeout = 240_000;

/** Starts a service and a browser before the tests of a file, and ends them afterwards. */
export function useDocs() {
  let browser: Browser;
  let service: Service;
  // A missing browser is installed first.
  beforeAll(async () => {
    [service, browser] = await Promise.all([startService(), startBrowser()]);
  }, 600_000);
  afterAll(async () => {
    await Promise.all([service?.stop(), browser?.close()]);
  });
  return {
    /** The URL of the service. */
    url: () => service.url,
    open: (options: BrowserContextOptions) => DocsPage.open(browser, service.url, options),
    /** Closes the page. Expects that it has sent requests to the service only. */
    async close(docs: DocsPage | undefined) {
      await docs?.close();
      for (const url of docs?.requests ?? []) expect(new URL(url).origin).toBe(service.url);
    },
  };
}
