import { LRUCache } from 'lru-cache';
import type { RequestRate } from '../../config/tenant-limits.ts';
import type { RateReply } from '../store.ts';

/** Tenants whose token buckets are kept. */
const MAX_BUCKETS = 100_000;

/** A token bucket for each tenant. */
export class TokenBuckets {
  readonly #nowEpochMs: () => number;
  /** When each tenant's bucket will be full, in epoch milliseconds. Created when it is needed: it reserves memory for all tenants. */
  #fullEpochMs: LRUCache<string, number> | undefined;

  constructor(nowEpochMs: () => number) {
    this.#nowEpochMs = nowEpochMs;
  }

  /** Takes tokens for requests, see `CacheStore.takeRequests`. */
  take(tenant: string, { perSecond, burst }: RequestRate, count: number): RateReply {
    this.#fullEpochMs ??= new LRUCache({ max: MAX_BUCKETS });
    const nowEpochMs = this.#nowEpochMs();
    const perRequestMs = 1000 / perSecond;
    const sizeMs = burst * perRequestMs;
    // A time too far ahead is from a larger bucket, or from a clock that was set back.
    const full = Math.min(Math.max(this.#fullEpochMs.get(tenant) ?? 0, nowEpochMs), nowEpochMs + 2 * sizeMs);
    const after = full + count * perRequestMs;
    const waitMs = full + perRequestMs - sizeMs - nowEpochMs;
    // Rounding must not reject a request that exactly fits.
    const isAllowed = waitMs < 0.001;
    if (isAllowed) this.#fullEpochMs.set(tenant, after);
    const resetMs = (isAllowed ? after : full) - nowEpochMs;
    return {
      retryAfterMs: isAllowed ? undefined : waitMs,
      remaining: Math.max(0, Math.floor((sizeMs - resetMs) / perRequestMs + 1e-6)),
      resetMs,
    };
  }
}
