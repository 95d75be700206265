import {
  type LimitTable,
  parseLimits,
  type TenantLimitSettings,
  type TenantLimits,
} from '../config/tenant-limits.ts';
import type { Log } from '../log/log.ts';

/** A change of the source applies within this time, in milliseconds. */
const MAX_AGE_MS = 60_000;

/** From this age on, the source is read again while a request runs, so that hardly any request waits for it. */
const REFRESH_AGE_MS = 30_000;

/** The pause before the source is read again if it has never been read, in milliseconds. */
const FIRST_RETRY_MS = 5000;

/** Timeout of reading the source, in milliseconds. */
const TIMEOUT_MS = 1000;

/** The limits of every tenant, which may change while the process runs. */
export class TenantLimitReader {
  readonly #settings: TenantLimitSettings;
  readonly #shards: number;
  readonly #log: Log;
  readonly #nowEpochMs: () => number;
  #table: LimitTable;
  #readEpochMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;
  #hasRead = false;
  #lastProblem: string | undefined;

  /** @param nowEpochMs not a monotonic clock, which may stop while a function is frozen */
  constructor(settings: TenantLimitSettings, shards: number, log: Log, nowEpochMs = Date.now) {
    this.#settings = settings;
    this.#shards = shards;
    this.#log = log;
    this.#nowEpochMs = nowEpochMs;
    this.#table = settings.table;
  }

  of(tenant: string): TenantLimits {
    return this.#table.byTenant.get(tenant) ?? this.#table.standard;
  }

  /** Whether a request has to wait for {@link refresh}. */
  get isOutdated(): boolean {
    return this.#isOlderThan(MAX_AGE_MS);
  }

  /**
   * Reads the source if it was not read recently. If that fails, the former limits remain, and the next attempt is made as if it had
   * succeeded: a source that is down must not slow down every request. Never rejects.
   */
  async refresh(): Promise<void> {
    const { sourceArn } = this.#settings;
    if (sourceArn === undefined || !this.#isOlderThan(REFRESH_AGE_MS)) return;
    this.#reading ??= this.#read(sourceArn).finally(() => {
      this.#reading = undefined;
    });
    await this.#reading;
  }

  #isOlderThan(ageMs: number): boolean {
    return this.#settings.sourceArn !== undefined && this.#nowEpochMs() - this.#readEpochMs >= ageMs;
  }

  async #read(arn: string): Promise<void> {
    try {
      const { readParameter, readSecret } = await import('../aws/secret.ts');
      const read = arn.split(':')[2] === 'ssm' ? readParameter : readSecret;
      this.#table = parseLimits(
        await read(arn, { timeoutMs: TIMEOUT_MS }),
        this.#settings.table.standard,
        this.#shards,
      );
      this.#hasRead = true;
      if (this.#lastProblem !== undefined) this.#log.info('tenant limits read again');
      this.#lastProblem = undefined;
    } catch (error) {
      // Without the value: the ARN may be that of another secret.
      const problem = (error as Error).message.replace(/, not .*/s, '');
      // Once for each problem: the source is read twice a minute.
      if (problem !== this.#lastProblem) {
        this.#log.error('tenant limits cannot be read, the former ones remain', { error: problem });
      }
      this.#lastProblem = problem;
    }
    this.#readEpochMs = this.#nowEpochMs();
    // There are no former limits yet: the next attempt must not take as long.
    if (!this.#hasRead) this.#readEpochMs -= REFRESH_AGE_MS - FIRST_RETRY_MS;
  }
}
