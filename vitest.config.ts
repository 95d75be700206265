import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { SlowFirst } from './test/support/slow-first.ts';

/** `npm run test:all`. Any other mode leaves out the long tests. */
const ALL = 'all';

/**
 * A run starts hundreds of processes from the same sources. With Node's compile cache only the first one strips their types and
 * compiles them.
 */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

export default defineConfig(({ mode }) => ({
  // Resolves the package's own name to its sources, as the compiler does, so that examples need no build.
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/**/*.test.ts'],
    exclude: mode === ALL ? [] : ['test/**/*.long.test.ts'],
    provide: { longRun: mode === ALL },
    globalSetup: ['test/support/engines/skipped.ts', 'test/support/engines/global-setup.ts'],
    reporters: ['default', './test/support/progress.ts'],
    pool: 'forks',
    sequence: { sequencer: SlowFirst },
    // More than the two processors of a small machine, because much of the time is spent waiting.
    maxWorkers: 6,
    // Only a test that hangs takes so long, however busy the machine is.
    testTimeout: 120_000,
    // The default of one second is little on a busy machine.
    expect: { poll: { timeout: 60_000, interval: 20 } },
    // Hooks start servers.
    hookTimeout: 300_000,
    teardownTimeout: 10_000,
  },
}));
