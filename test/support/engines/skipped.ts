import { relative } from 'node:path';
import type { TestCase, TestProject } from 'vitest/node';

/**
 * A global setup that does nothing at the start of a run and, at its end, lists the skipped tests by reason. It is not a reporter,
 * because `--reporter` on the command line would replace it.
 */
export default function setup({ vitest, config }: TestProject): () => void {
  return () => {
    const byReason = new Map<string, TestCase[]>();
    for (const module of vitest.state.getTestModules()) {
      for (const test of module.children.allTests('skipped')) {
        // A skipped test without a note was excluded by a filter on the command line or by `only`.
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
