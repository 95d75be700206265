/** Sends what is held back. Never rejects, and takes no longer than its own bound. */
export type Flush = () => Promise<void>;

const flushes = new Set<Flush>();

/**
 * Has `flush` called, and awaited, before each request is answered: for what runs in a function, which is frozen from its
 * answer until its next request. A process that is never frozen sends in the background instead.
 */
export function flushBeforeAnswers(flush: Flush): void {
  flushes.add(flush);
}

/** @returns undefined when there is nothing to wait for */
export function flushAll(): Promise<unknown> | undefined {
  return flushes.size === 0 ? undefined : Promise.all([...flushes].map((flush) => flush()));
}
