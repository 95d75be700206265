import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The package's own name leads to its sources, as for the compiler, so that examples need no build.
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/engines/skipped.ts', 'test/support/engines/global-setup.ts'],
    pool: 'forks',
    // Engines and services run beside the tests, on few processors; but what breaks on purpose is mostly waited for.
    maxWorkers: 3,
    // Only a test that hangs takes so long, however busy the machine is.
    testTimeout: 120_000,
    // What a test waits for comes when the machine gets to it; a second, which is the default, is little on a busy one.
    expect: { poll: { timeout: 60_000, interval: 20 } },
    // Hooks start servers.
    hookTimeout: 300_000,
    teardownTimeout: 10_000,
  },
});
