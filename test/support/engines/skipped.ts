import { relative } from 'node:path';
import type { TestCase, TestProject } from 'vitest/node';

/**
 * A global setup whose end lists the tests that were skipped for a reason, below what the reporter has printed. It is no reporter,
 * since those of the command line replace those of the configuration.
 */
export default function setup({ vitest, config }: TestProject): () => void {
  return () => {
    const byReason = new Map<string, TestCase[]>();
    for (const module of vitest.state.getTestModules()) {
      for (const test of module.children.allTests('skipped')) {
        // Without a note it was left out by a filter on the command line or by `only`, which whoever ran it knows.
        const { note } = test.result() as { note?: string };
        if (note !== undefined) byReason.set(note, [...(byReason.get(note) ?? []), test]);
      }
    }
    for (const [reason, tests] of byReason) {
      const names = tests.map(
        ({ module, fullName }) => `  ${relative(config.root, module.moduleId)} > ${fullName}`,
      );
      process.stderr.write(`\nSkipped (${tests.length}): ${reason}\n${names.join('\n')}\n`);
    }
  };
}
