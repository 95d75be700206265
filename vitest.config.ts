import { join } from 'node:path';
import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';
import { SlowFirst } from './test/support/slow-first.ts';

/** `npm run test:all`. Any other mode leaves out the long tests. */
const ALL = 'all';

/**
 * A run starts hundreds of processes from the same sources. With Node's compile cache only the first one strips their types and
 * compiles them.
 */
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile');

/**
 * Files with a process each: they stub environment variables or globals, import functions, which read the environment when they are loaded,
 * or expect that no promise of their process is rejected unhandled. All others share processes, because many would spend most of their time
 * loading what they import. They restore what they replace, such as clocks.
 */
const ISOLATED = [
  'test/{logins,nats,observability,openapi,support}/**/*.test.ts',
  'test/client/{frameworks,get-or-set-faults,get-or-set-grace}.test.ts',
  'test/{faults/connection-cluster,faults/connection-tls,http/contract-faults,limits/tenant-limits}.test.ts',
];
const STACK = ['test/infra/**/*.test.ts'];

export default defineConfig(({ mode }) => {
  const exclude = mode === ALL ? [] : ['test/**/*.long.test.ts'];
  const project = (
    name: string,
    options: TestProjectInlineConfiguration['test'],
  ): TestProjectInlineConfiguration => ({
    // Resolves the package's own name to its sources, as the compiler does, so that examples need no build.
    resolve: { tsconfigPaths: true },
    test: {
      name,
      // Only a test that hangs takes so long, however busy the machine is.
      testTimeout: 120_000,
      // The default of one second is little on a busy machine.
      expect: { poll: { timeout: 60_000, interval: 20 } },
      // Hooks start servers.
      hookTimeout: 300_000,
      ...options,
    },
  });
  return {
    test: {
      provide: { longRun: mode === ALL },
      globalSetup: ['test/support/engines/skipped.ts', 'test/support/engines/global-setup.ts'],
      reporters: ['default', './test/support/progress.ts'],
      pool: 'forks',
      sequence: { sequencer: SlowFirst },
      // More than the two processors of a small machine, because much of the time is spent waiting. Fewer in the long run, in which more
      // tests use the processor all the time.
      maxWorkers: mode === ALL ? 6 : 8,
      teardownTimeout: 10_000,
      projects: [
        project('isolated', { include: ISOLATED, exclude }),
        project('shared', {
          include: ['test/**/*.test.ts'],
          exclude: [...exclude, ...ISOLATED, ...STACK],
          isolate: false,
        }),
        // Each process loads the CDK, and synthesizes each stack once. These files use the processor all the time, so two are enough.
        project('stack', {
          include: STACK,
          exclude,
          isolate: false,
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        }),
      ],
    },
  };
});
