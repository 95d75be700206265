import { relative } from 'node:path';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

const INTERVAL_MS = 15_000;

/**
 * A reporter that prints a line every fifteen seconds: the number of finished files, and the running files with their duration and
 * current test. The log of a hanging run therefore shows the test. On a terminal it prints nothing, because the default reporter
 * shows a summary there.
 */
export default class Progress implements Reporter {
  readonly #running = new Map<TestModule, { since: number; tests: Set<TestCase> }>();
  #vitest: Vitest | undefined;
  #total = 0;
  #done = 0;
  #began = 0;
  #timer: NodeJS.Timeout | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  onTestRunStart(specifications: readonly unknown[]): void {
    this.#total = specifications.length;
    this.#done = 0;
    this.#began = performance.now();
    if (!process.stdout.isTTY) this.#timer = setInterval(() => this.#print(), INTERVAL_MS).unref();
  }

  onTestModuleStart(module: TestModule): void {
    this.#running.set(module, { since: performance.now(), tests: new Set() });
  }

  onTestCaseReady(test: TestCase): void {
    this.#running.get(test.module)?.tests.add(test);
  }

  onTestCaseResult(test: TestCase): void {
    this.#running.get(test.module)?.tests.delete(test);
  }

  onTestModuleEnd(module: TestModule): void {
    this.#running.delete(module);
    this.#done++;
  }

  onTestRunEnd(): void {
    clearInterval(this.#timer);
  }

  #print(): void {
    const root = this.#vitest?.config.root ?? '';
    const running = [...this.#running].map(([{ moduleId }, { since, tests }]) => {
      const [first, ...others] = tests;
      const waitsFor = first
        ? `"${first.fullName}"${others.length > 0 ? ` and ${others.length} more` : ''}`
        : 'a hook, or a test that blocks its process';
      return `\n  ${relative(root, moduleId)}, ${secondsSince(since)} s: ${waitsFor}`;
    });
    process.stderr.write(
      `[${this.#done}/${this.#total} files, ${secondsSince(this.#began)} s] running:${running.join('')}\n`,
    );
  }
}

function secondsSince(time: number): number {
  return Math.round((performance.now() - time) / 1000);
}
