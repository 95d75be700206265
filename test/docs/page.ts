import type { Browser, BrowserContextOptions, Locator, Page } from 'playwright-core';

/** How long the page may take for what a person waits for, in milliseconds: it is a large one for a busy machine. */
const PATIENCE_MS = 60_000;

/** What came of an operation that was tried on the page, as the page shows it. */
export interface Shown {
  status: string;
  /** The answer's body; empty where there was none. */
  body: string;
}

/** The docs page in a browser, worked as a person would. */
export class DocsPage {
  readonly page: Page;
  /** The URL of every request that the page made, in their order. */
  readonly requests: string[] = [];
  /** What the browser has to complain of: errors on its console, refusals by policy among them, and requests that failed. */
  readonly complaints: string[] = [];

  private constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
    page.on('request', (request) => this.requests.push(request.url()));
    page.on('requestfailed', (request) => this.complaints.push(`${request.url()} failed`));
    page.on('pageerror', ({ message }) => this.complaints.push(message));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.complaints.push(message.text());
    });
  }

  /** Opens the page of a service in a session of its own, and waits until it shows operations. */
  static async open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<DocsPage> {
    const docs = new DocsPage(await browser.newPage(options));
    await docs.page.goto(`${url}/docs`);
    await docs.operations.first().waitFor();
    return docs;
  }

  get operations(): Locator {
    return this.page.locator('.opblock');
  }

  operation(method: string, path: string): OperationBlock {
    const { page } = this;
    const block = this.operations
      .filter({ has: page.locator(`.opblock-summary-method:text-is("${method}")`) })
      .filter({ has: page.locator(`.opblock-summary-path[data-path="${path}"]`) });
    return new OperationBlock(block);
  }

  /** The list of keys. */
  get keys(): KeyList {
    return new KeyList(this.page.locator('#keys'));
  }

  /** The page's own width and that of the window, in CSS pixels. */
  async widths(): Promise<{ page: number; window: number }> {
    const [page, window] = (await this.page.evaluate(
      '[document.documentElement.scrollWidth, document.documentElement.clientWidth]',
    )) as [number, number];
    return { page, window };
  }

  close(): Promise<void> {
    return this.page.context().close();
  }
}

/** One operation on the page. */
export class OperationBlock {
  readonly block: Locator;

  constructor(block: Locator) {
    this.block = block;
  }

  async expand(): Promise<void> {
    await this.#toggle();
    await this.#button('Execute').waitFor();
  }

  async collapse(): Promise<void> {
    await this.#toggle();
    await this.#button('Execute').waitFor({ state: 'hidden' });
  }

  /** Shows examples, schemas and headers of all documented responses. */
  async expandResponses(): Promise<void> {
    const closed = this.block.locator('.response-toggle[aria-expanded="false"]');
    while ((await closed.count()) > 0) await closed.first().click();
  }

  /** Shows the schemas of the request and of the expanded responses in place of their examples, with all their members. */
  async showSchemas(): Promise<void> {
    for (const tab of await this.block.getByRole('tab', { name: 'Schema', exact: true }).all())
      await tab.click();
    await this.block
      .getByRole('button', { name: 'Expand all' })
      // A function in a text would not be called.
      .evaluateAll((buttons: { click(): void }[]) => {
        for (const button of buttons) button.click();
      });
  }

  /** The height of the block, in CSS pixels. */
  async height(): Promise<number> {
    const box = await this.block.boundingBox();
    if (!box) throw new Error('The operation is not visible');
    return box.height;
  }

  /** The field of a parameter, such as `key`. */
  parameter(name: string): Locator {
    return this.block.locator(`tr[data-param-name="${name}"] input`);
  }

  /** The field that takes a request's body. */
  get body(): Locator {
    return this.block.locator('.opblock-section-request-body textarea');
  }

  /** Sends what is filled in, and waits for the answer. */
  async execute(): Promise<Shown> {
    // What an earlier try shows may not be taken for this one's.
    const clear = this.#button('Clear');
    if (await clear.isVisible()) await clear.click();
    await this.#button('Execute').click();
    await this.answer.waitFor();
    return {
      status: (await this.answer.locator('.response-col_status').first().innerText()).trim(),
      body: (await this.answerBody.count()) > 0 ? await this.answerBody.locator('pre').innerText() : '',
    };
  }

  /** What the page shows of the answer to the last request. */
  get answer(): Locator {
    return this.block.locator('.live-responses-table tbody tr.response');
  }

  get answerBody(): Locator {
    return this.answer.locator('.highlight-code').first();
  }

  #toggle(): Promise<void> {
    return this.block.locator('.opblock-summary-control').click();
  }

  #button(name: string): Locator {
    return this.block.getByRole('button', { name, exact: true });
  }
}

/** The list of a tenant's keys above the operations. */
export class KeyList {
  readonly section: Locator;

  constructor(section: Locator) {
    this.section = section;
  }

  async open(): Promise<void> {
    await this.section.locator('summary').click();
  }

  field(label: 'Tenant' | 'Pattern' | 'Tag'): Locator {
    return this.section.getByLabel(label, { exact: true });
  }

  button(name: string): Locator {
    return this.section.getByRole('button', { name, exact: true });
  }

  get status(): Locator {
    return this.section.getByRole('status');
  }

  /** The cells of each row, without the button. */
  async rows(): Promise<string[][]> {
    const rows = await this.section.locator('tbody tr').all();
    return Promise.all(rows.map(async (row) => (await row.locator('td').allTextContents()).slice(0, 3)));
  }
}
