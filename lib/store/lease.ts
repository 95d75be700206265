/** A lease that somebody has or had. */
export interface HeldLease {
  /** By the clock of the server. */
  expiryEpochMs: number;
  /** The time for which it was granted. */
  seconds: number;
}

/** The shortest time after which a caller shall ask again, in milliseconds. */
export const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

/** The longest time of a lease, in seconds. */
export const MAX_LEASE_SECONDS = 300;

/** Limit of the tags of a stale value on which there is a lease: its own, and those of the lease. */
export const MAX_STORED_TAGS = 32;

/** Whether a lease lasts. An expiry that is too far ahead is from a clock that was set back since. */
export function isHeld({ expiryEpochMs }: HeldLease, nowEpochMs: number): boolean {
  return (
    expiryEpochMs > nowEpochMs && expiryEpochMs <= nowEpochMs + MAX_LEASE_SECONDS * 1000 + CLOCK_MARGIN_MS
  );
}

/** The clock of a reader may be behind that of the server. */
const CLOCK_MARGIN_MS = 1000;

/**
 * How long a caller shall wait before it asks again for a key whose lease is held: half of the time that the holder has taken so far. A
 * caller thus waits at most 1.5 times as long as the producer takes, and 30 seconds cost 16 requests. It never waits beyond the lease.
 */
export function retryAfterMs({ expiryEpochMs, seconds }: HeldLease, nowEpochMs: number): number {
  const leftMs = expiryEpochMs - nowEpochMs;
  const takenMs = seconds * 1000 - leftMs;
  const waitMs = Math.min(Math.max(MIN_RETRY_MS, takenMs / 2), MAX_RETRY_MS, leftMs);
  // The clocks may disagree about whether the lease has ended.
  return Math.max(1, Math.ceil(waitMs));
}
