import { afterEach } from 'vitest';

/** Stops after each test what the test has started, in reverse order. */
export function startedInTests(): <T extends { stop(): unknown }>(starting: T | Promise<T>) => Promise<T> {
  const running: { stop(): unknown }[] = [];
  afterEach(async () => {
    for (const started of running.splice(0).reverse()) await started.stop();
  });
  return async (starting) => {
    const started = await starting;
    running.push(started);
    return started;
  };
}
