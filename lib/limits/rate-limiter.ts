import type { RequestRate } from '../config/tenant-limits.ts';
import { BackendUnavailableError, TenantRateLimitedError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import type { CacheStore, RateReply } from '../store/store.ts';

/** For how long requests are not limited after the backend failed to answer, in milliseconds. */
const PAUSE_MS = 10_000;

/** Below this share of the burst, requests ask before they run. */
const LOW_SHARE = 0.1;

/** Tenants that a process remembers as being near their limit. */
const MAX_TENANTS = 10_000;

interface RateLimiterOptions {
  store: Pick<CacheStore, 'takeRequests'>;
  rateOf: (tenant: string) => RequestRate | undefined;
  /** The requests that an invalidation or a clear counts as. */
  sweepWeight: number;
}

/** A tenant that was near its limit at its last request. */
interface LowTenant {
  /** Until then the backend would reject requests of this weight. By `performance.now()`. */
  rejectedUntilMonotonicMs: number;
  weight: number;
}

/**
 * Limits the requests per second of each tenant. All processes share the tenant's count, which is in the backend.
 *
 * While a tenant is well below its limit, its requests run at the same time as they are counted, so that counting takes no round trip of
 * its own. A request that turns out to be one too many is answered nevertheless, since it may have changed something. Near the limit, and
 * for invalidations and clears, requests are counted first. So a rejected request has done nothing.
 *
 * If requests cannot be counted, they are not limited.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #low = new Map<string, LowTenant>();
  #pausedUntilMonotonicMs = 0;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
  }

  /**
   * Runs a request within its tenant's limit, and records in `request.rate` what is left of it.
   *
   * @throws TenantRateLimitedError
   * @throws BackendUnavailableError
   */
  async run<T>(request: RequestContext, work: () => Promise<T>): Promise<T> {
    const { tenant, operation } = request;
    const { store, rateOf, sweepWeight } = this.#options;
    const rate = tenant === '' ? undefined : rateOf(tenant);
    if (!rate || performance.now() < this.#pausedUntilMonotonicMs) return work();

    const isSweep = routeNamed(operation).kind === 'sweep';
    // A weight above the burst would never be allowed.
    const weight = isSweep ? Math.min(sweepWeight, rate.burst) : 1;
    const low = this.#low.get(tenant);
    const rejectedForMs = (low?.rejectedUntilMonotonicMs ?? 0) - performance.now();
    if (low && rejectedForMs > 0 && weight >= low.weight) {
      request.rate = { ...rate, remaining: 0, resetMs: rejectedForMs };
      throw new TenantRateLimitedError(rejectedForMs);
    }
    const count = async () => {
      const reply = await store.takeRequests(tenant, rate, weight);
      request.rate = { ...rate, ...reply };
      this.#remember(tenant, rate, weight, reply);
      return reply;
    };
    if (low || isSweep) {
      const { retryAfterMs } = await count().catch((error: unknown) => {
        // The request would wait for the same backend, and so take twice as long to fail.
        this.#pause(error);
        throw error;
      });
      if (retryAfterMs !== undefined) throw new TenantRateLimitedError(retryAfterMs);
      return work();
    }
    const counting = count().catch((error: unknown) => this.#pause(error));
    try {
      return await work();
    } finally {
      // Abandoned, it would harm the connection: Lambda freezes the function after the response.
      await counting;
    }
  }

  #remember(
    tenant: string,
    rate: RequestRate,
    weight: number,
    { remaining, retryAfterMs = 0 }: RateReply,
  ): void {
    this.#low.delete(tenant);
    if (retryAfterMs === 0 && remaining >= Math.max(1, LOW_SHARE * rate.burst)) return;
    const [oldest] = this.#low.keys();
    if (oldest !== undefined && this.#low.size >= MAX_TENANTS) this.#low.delete(oldest);
    this.#low.set(tenant, { rejectedUntilMonotonicMs: performance.now() + retryAfterMs, weight });
  }

  #pause(error: unknown): void {
    if (!(error instanceof BackendUnavailableError)) throw error;
    this.#pausedUntilMonotonicMs = performance.now() + PAUSE_MS;
  }
}
