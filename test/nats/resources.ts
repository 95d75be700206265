import { afterEach } from 'vitest';

/** @returns a function that registers a resource, which is then stopped after the test; the last resource is stopped first */
export function createStopAfterTest(): <T extends { stop(): unknown }>(
  starting: T | Promise<T>,
) => Promise<T> {
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
