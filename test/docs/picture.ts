import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startService } from '../http/service.ts';
import { startBrowser } from './browser.ts';
import { DocsPage } from './page.ts';

const USAGE = `node test/docs/picture.ts [--into FILE.png]

Draws the docs page as a browser shows it, with a get that has been tried.`;

const WIDTH = 1200;

const API = '/api/v1/cache';
const VALUE = { name: 'Ada', languages: ['en', 'fr'] };

/** Above and below what is shown, in CSS pixels. */
const MARGIN = 8;

/** @returns a PNG of the page from its first operations to the end of the answer's body */
async function draw(): Promise<Buffer> {
  const [service, browser] = [await startService(), await startBrowser()];
  try {
    const docs = await DocsPage.open(browser, service.url, { viewport: { width: WIDTH, height: 2000 } });
    const get = docs.operation('GET', API);
    await get.expand();
    await fetch(`${service.url}${API}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Tenant-ID': 'tenant_123' },
      body: JSON.stringify({ key: await get.parameter('key').inputValue(), value: VALUE }),
    });
    await get.execute();
    const first = await docs.page.locator('.opblock-tag').first().boundingBox();
    const last = await get.answerBody.boundingBox();
    if (!first || !last) throw new Error('The page shows no answer');
    const y = Math.floor(first.y) - MARGIN;
    const height = Math.ceil(last.y + last.height) + MARGIN - y;
    // Off the button that was pressed last, which would stay as it looks under the mouse.
    await docs.page.mouse.move(0, 0);
    return await docs.page.screenshot({ fullPage: true, clip: { x: 0, y, width: WIDTH, height } });
  } finally {
    await browser.close();
    await service.stop();
  }
}

const { values } = parseArgs({
  options: {
    into: { type: 'string', default: join(import.meta.dirname, 'docs.png') },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.error(USAGE);
} else {
  await writeFile(values.into, await draw());
  console.error(`Drawn: ${values.into}`);
}
