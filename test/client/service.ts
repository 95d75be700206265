import { afterAll, beforeAll } from 'vitest';
import {
  CacheClient,
  type ClientOptions,
  type GetOrSetOptions,
  type Signal,
} from '../../lib/client/index.ts';
import { newTenant } from '../conformance/backends.ts';
import { type Service, startService } from '../http/service.ts';

/** A client whose `getOrSet` and `getOrSetMany` wait for a healthy service on a busy machine. */
export class PatientClient extends CacheClient {
  readonly #timeoutMs: number;

  constructor(options: ClientOptions) {
    super(options);
    this.#timeoutMs = options.timeoutMs ?? 20_000;
  }

  override getOrSet<T>(
    key: string,
    ttl: number,
    produce: (signal: Signal) => T | Promise<T>,
    options: GetOrSetOptions = {},
  ): Promise<T> {
    return super.getOrSet(key, ttl, produce, { timeoutMs: this.#timeoutMs, ...options });
  }

  override getOrSetMany<T>(
    keys: readonly string[],
    ttl: number,
    produceMissing: (keys: string[], signal: Signal) => readonly T[] | Promise<readonly T[]>,
    options: GetOrSetOptions = {},
  ): Promise<T[]> {
    return super.getOrSetMany(keys, ttl, produceMissing, { timeoutMs: this.#timeoutMs, ...options });
  }
}

/** Declares hooks that start a service, in memory, for the tests of a file. `port` is there only while they run. */
export function serviceForClients() {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  /** A client of the running service, unless another is given, that remembers what it got over. */
  function start(options: Partial<ClientOptions> = {}) {
    const reported: { code: unknown; operation: string; key: string }[] = [];
    const cache = new PatientClient({
      url: service.url,
      tenant: newTenant(),
      onError: (error, about) => reported.push({ code: (error as { code?: unknown }).code, ...about }),
      ...options,
    });
    return { cache, reported };
  }

  return { start, port: () => service.port };
}
