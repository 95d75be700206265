import type { Hit } from './store.ts';

/**
 * A lease is the right to produce the value of a key. It is a state of the key's entry: a key without a value gets a placeholder, and a
 * stale value is marked. Everything that removes or replaces the entry therefore ends the lease too, and a value that was produced
 * before an invalidation cannot be set after it.
 */
export interface Lease {
  /** Random, see `newId`. A set that contains it is rejected if the lease has ended. */
  token: string;
  /** Whole seconds, 1 or more. */
  ttlSeconds: number;
}

/** The result of a lease request. A fresh hit has no lease. */
export interface LeaseResult {
  /** Undefined for a miss. The TTL of a stale value is 0. */
  hit?: Hit | undefined;
  /** Granted to the caller, who shall produce the value. */
  lease?: Lease | undefined;
  /** When to ask again, if another caller has the lease on a key without a value. Undefined if leases cannot be stored. */
  retryAfterMs?: number | undefined;
}

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
