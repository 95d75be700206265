import type { RequestRate } from '../config/tenant-limits.ts';
import { BackendUnavailableError, TenantRateLimitedError } from '../errors.ts';
import type { Log } from '../log/log.ts';
import type { RequestContext } from '../request-context.ts';
import { routeNamed } from '../routes.ts';
import type { CacheStore, RateReply } from '../store/store.ts';

/** For how long requests are not limited after the backend failed to count them, in milliseconds. */
const PAUSE_MS = 10_000;

/** Below this share of the burst, requests are counted before they run. */
const LOW_SHARE = 0.1;

/** For how long a process relies on what was left. Others use it up meanwhile. In milliseconds. */
const KNOWN_MS = 1000;

/** If the backend rejects the count within this time, there is enough left for the request itself. In milliseconds. */
const QUICK_MS = 200;

/** Tenants whose last reply a process remembers. */
const MAX_TENANTS = 10_000;

interface RateLimiterOptions {
  store: Pick<CacheStore, 'takeRequests'>;
  rateOf: (tenant: string) => RequestRate | undefined;
  /** The requests that an invalidation or a clear counts as. */
  sweepWeight: number;
  log: Pick<Log, 'error'>;
  /** Default: the system's. Not a monotonic clock, which may stop while a function is frozen. */
  nowEpochMs?: () => number;
}

/** What a process knows of a tenant. */
interface TenantState {
  /** Requests that run while they are counted. */
  inFlight: number;
  /** From the last reply; undefined if there was none. */
  last?: { atEpochMs: number; remaining: number; isLow: boolean; retryAfterMs: number };
}

/**
 * Limits the requests per second of each tenant. All processes share the tenant's count, which is in the backend.
 *
 * While a tenant is well below its limit, its requests run at the same time as they are counted, so that counting takes no round trip of
 * its own. Such a request is answered even if it turns out to be one too many, since it may have changed something. Near the limit, and
 * for invalidations and clears, requests are counted first. So a rejected request has done nothing.
 *
 * If requests cannot be counted, they are not limited.
 */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #nowEpochMs: () => number;
  readonly #tenants = new Map<string, TenantState>();
  #pausedEpochMs = Number.NEGATIVE_INFINITY;

  constructor(options: RateLimiterOptions) {
    this.#options = options;
    this.#nowEpochMs = options.nowEpochMs ?? Date.now;
  }

  /**
   * Runs a request within its tenant's limit, and records in `request.rate` what is left of it.
   *
   * @throws TenantRateLimitedError
   * @throws BackendUnavailableError
   */
  async run<T>(request: RequestContext, work: () => Promise<T>): Promise<T> {
    const { tenant, operation } = request;
    const rate = isPartOfLease(request) ? undefined : this.#options.rateOf(tenant);
    if (!rate || this.#isWithin(PAUSE_MS, this.#pausedEpochMs)) return work();

    const isSweep = routeNamed(operation).kind === 'sweep';
    // More than a burst would delay the next requests for too long.
    const weight = isSweep ? Math.min(this.#options.sweepWeight, rate.burst) : 1;
    const state = this.#stateOf(tenant);
    this.#rejectWithoutCounting(request, rate, state);
    if (isSweep || !this.#mayRunWhileCounted(rate, state)) {
      const startedMonotonicMs = performance.now();
      const reply = await this.#count(request, rate, weight, state).catch((error: unknown) => {
        // Otherwise the request would wait for the same backend, and take twice as long to fail.
        if (performance.now() - startedMonotonicMs > QUICK_MS) throw error;
      });
      if (reply?.retryAfterMs !== undefined) throw new TenantRateLimitedError(reply.retryAfterMs);
      return work();
    }
    state.inFlight++;
    // Its failures are logged, and do not concern the request.
    const counting = this.#count(request, rate, weight, state).catch(() => {});
    try {
      return await work();
    } finally {
      // Abandoned, it would harm the connection: Lambda freezes the function after the response.
      await counting;
      state.inFlight--;
    }
  }

  #stateOf(tenant: string): TenantState {
    const state = this.#tenants.get(tenant) ?? { inFlight: 0 };
    this.#tenants.delete(tenant);
    this.#tenants.set(tenant, state);
    const [oldest] = this.#tenants.keys();
    if (oldest !== undefined && this.#tenants.size > MAX_TENANTS) this.#tenants.delete(oldest);
    return state;
  }

  /** Rejects a request that the backend would certainly reject, since others of the tenant can only delay it further. */
  #rejectWithoutCounting(request: RequestContext, rate: RequestRate, { last }: TenantState): void {
    if (!last || !this.#isWithin(last.retryAfterMs, last.atEpochMs)) return;
    const leftMs = last.atEpochMs + last.retryAfterMs - this.#nowEpochMs();
    request.rate = { ...rate, remaining: last.remaining, resetMs: leftMs };
    throw new TenantRateLimitedError(leftMs);
  }

  #mayRunWhileCounted({ burst }: RequestRate, { inFlight, last }: TenantState): boolean {
    if (last?.isLow) return false;
    // What is left is not known, so only one request may turn out to be too many.
    if (!last || !this.#isWithin(KNOWN_MS, last.atEpochMs)) return inFlight === 0;
    return last.remaining - inFlight >= Math.max(1, LOW_SHARE * burst);
  }

  async #count(
    request: RequestContext,
    rate: RequestRate,
    weight: number,
    state: TenantState,
  ): Promise<RateReply> {
    try {
      const reply = await this.#options.store.takeRequests(request.tenant, rate, weight);
      const { remaining, retryAfterMs = 0, resetMs } = reply;
      request.rate = { ...rate, remaining, resetMs };
      const isLow = retryAfterMs > 0 || remaining < Math.max(1, LOW_SHARE * rate.burst);
      state.last = { atEpochMs: this.#nowEpochMs(), remaining, isLow, retryAfterMs };
      return reply;
    } catch (error) {
      this.#pausedEpochMs = this.#nowEpochMs();
      if (!(error instanceof BackendUnavailableError)) {
        this.#options.log.error('requests of tenants cannot be counted', { error });
      }
      throw error;
    }
  }

  /** Whether less than this time has passed since. False if the clock was set back. */
  #isWithin(ms: number, sinceEpochMs: number): boolean {
    const passedMs = this.#nowEpochMs() - sinceEpochMs;
    return passedMs >= 0 && passedMs < ms;
  }
}

/**
 * Whether a request ends a lease, whose own request was counted. If it were rejected, the value would be lost, and other callers would wait for
 * the lease to end.
 */
function isPartOfLease({ operation, body }: RequestContext): boolean {
  const hasLease = (item: unknown) => typeof item === 'object' && item !== null && 'lease' in item;
  if (operation === 'set') return hasLease(body);
  if (operation !== 'batch-set') return operation === 'lease-release';
  const { items } = body as { items?: unknown };
  return Array.isArray(items) && items.every(hasLease);
}
