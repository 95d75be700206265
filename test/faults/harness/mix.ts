import { randomBytes } from 'node:crypto';
import { pseudoRandom } from '../../support/random.ts';
import type { Call, HttpResponse } from './caller.ts';
import { type HistoryEvent, tagOf } from './history.ts';
import { stampedValue } from './value.ts';

export interface MixOptions {
  /** Number of tenants, and of keys per tenant. With few keys more operations conflict. */
  tenants?: number;
  keysPerTenant?: number;
  /** Relative frequency of each operation. */
  weights?: Partial<Record<Call['operation'], number>>;
  /** TTLs of sets, in seconds. Each set uses a random one. */
  ttlsSeconds?: readonly number[];
  /** Seed of the request sequence. */
  seed?: number;
}

const WEIGHTS: Record<Call['operation'], number> = {
  get: 60,
  set: 30,
  touch: 3,
  lease: 12,
  fill: 12,
  delete: 3,
  invalidate: 4,
  untag: 2,
  clear: 1,
};
const GROUPS = 5;

/** Lease durations in seconds. The shortest ends before some fills are sent. */
const LEASES_SECONDS = [1, 30, 300] as const;
const GRACES_SECONDS = [0, 0, 2, 300] as const;

/** Share of fills that are sent a second time. */
const REPEATED = 0.2;

/** A granted lease, and the value to set with it. */
interface Granted {
  fill: Call & { operation: 'fill' };
  leasedAt: number;
}

let versions = 0;

/** Generates random requests, and converts requests and responses to history events. */
export class Mix {
  readonly random: () => number;
  readonly tenants: readonly string[];
  readonly #keys: number;
  readonly #draw: Call['operation'][];
  readonly #ttls: readonly number[];
  readonly #version = new WeakMap<Call, number>();
  /** Granted leases that will be used for a fill. */
  readonly #granted: Granted[] = [];
  readonly #leasedAt = new WeakMap<Call, number>();
  /** Events of fills that were sent before, by call. */
  readonly #sent = new WeakMap<Call, HistoryEvent>();

  constructor({
    tenants = 3,
    keysPerTenant = 30,
    weights = {},
    ttlsSeconds = [1, 2, 60, 300],
    seed = 1,
  }: MixOptions) {
    this.random = pseudoRandom(seed);
    const name = randomBytes(4).toString('hex');
    this.tenants = Array.from({ length: tenants }, (_, i) => `faults-${name}-${i}`);
    this.#keys = keysPerTenant;
    this.#ttls = ttlsSeconds;
    this.#draw = Object.entries({ ...WEIGHTS, ...weights }).flatMap(([operation, weight]) =>
      Array.from({ length: weight }, () => operation as Call['operation']),
    );
  }

  next(): Call {
    const tenant = this.#of(this.tenants);
    const operation = this.#of(this.#draw);
    const index = Math.floor(this.random() * this.#keys);
    const key = `g${index % GROUPS}:${index}`;
    switch (operation) {
      case 'set':
        return this.set(tenant, key, this.#of(this.#ttls));
      case 'fill':
        return this.fill() ?? this.lease(tenant, key);
      case 'lease':
        return this.lease(tenant, key);
      case 'touch':
        return { operation, tenant, key, ttlSeconds: this.#of(this.#ttls) };
      case 'invalidate':
        return {
          operation,
          tenant,
          pattern: this.#of([`g${index % GROUPS}:*`, `*:${index}`, `g?:${index % 10}*`, key]),
        };
      case 'untag':
        return { operation, tenant, tag: tagOf(key) };
      case 'clear':
        return { operation, tenant };
      default:
        return { operation, tenant, key };
    }
  }

  /** Returns a set with a new version. */
  set(tenant: string, key: string, ttlSeconds: number): Call {
    const version = ++versions;
    const call: Call = {
      operation: 'set',
      tenant,
      key,
      value: stampedValue({ tenant, key, version }),
      ttlSeconds,
    };
    this.#version.set(call, version);
    return call;
  }

  lease(tenant: string, key: string): Call {
    return { operation: 'lease', tenant, key, leaseSeconds: this.#of(LEASES_SECONDS) };
  }

  /** Returns a set with an earlier lease, which may have ended. Undefined if there is none. */
  fill(): Call | undefined {
    const index = Math.floor(this.random() * this.#granted.length);
    const granted = this.#granted[index];
    if (granted && this.random() >= REPEATED) this.#granted.splice(index, 1);
    return granted?.fill;
  }

  #grant(tenant: string, key: string, token: string, leasedAt: number): void {
    const { value, ...set } = this.set(tenant, key, this.#of(this.#ttls)) as Call & { operation: 'set' };
    const fill = { ...set, value, operation: 'fill' as const, graceSeconds: this.#of(GRACES_SECONDS), token };
    this.#version.set(fill, versions);
    this.#leasedAt.set(fill, leasedAt);
    this.#granted.push({ fill, leasedAt });
  }

  /** Returns the history events of a call that is about to be sent. They are updated when the response arrives. */
  begin(call: Call, began: number): HistoryEvent[] {
    const { tenant } = call;
    const span = { tenant, began, ended: Number.POSITIVE_INFINITY };
    switch (call.operation) {
      case 'get':
      case 'lease':
        return [];
      case 'set':
      case 'fill': {
        const sent = this.#sent.get(call);
        if (sent) return [sent];
        const { key, ttlSeconds } = call;
        const version = this.#version.get(call);
        if (version === undefined) throw new Error('Create a set with set()');
        const leasedAt = this.#leasedAt.get(call);
        const event: HistoryEvent = { kind: 'set', ...span, key, version, ttlSeconds, done: false };
        if (leasedAt !== undefined) {
          event.leasedAt = leasedAt;
          this.#sent.set(call, event);
        }
        return [event];
      }
      case 'touch':
        return [{ kind: 'touch', ...span, key: call.key, ttlSeconds: call.ttlSeconds, done: false }];
      case 'delete':
        return [{ kind: 'removal', ...span, key: call.key, done: false }];
      case 'invalidate':
        return [{ kind: 'removal', ...span, pattern: call.pattern, done: false }];
      case 'untag':
        return [{ kind: 'removal', ...span, tag: call.tag, done: false }];
      case 'clear':
        return [{ kind: 'removal', ...span, done: false }];
    }
  }

  /** Updates the events of a successful call. @returns further events for the history */
  succeed(
    call: Call,
    events: HistoryEvent[],
    response: HttpResponse,
    began: number,
    ended: number,
  ): HistoryEvent[] {
    for (const event of events) {
      // A repeated fill has no further effect: the first one took effect before its response.
      if (event.kind === 'set' && event.done) continue;
      event.ended = ended;
      if (event.kind !== 'read') event.done = true;
    }
    if (call.operation !== 'get' && call.operation !== 'lease') return [];
    const { tenant, key } = call;
    const { value, stale, token } = dataOf(response.text);
    if (token !== undefined) this.#grant(tenant, key, token, ended);
    return [{ kind: 'read', tenant, key, began, ended, value, stale }];
  }

  #of<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }
}

/** Parses the response to a get or a lease request. `value` is the JSON text as it was set; undefined for a miss. */
function dataOf(text: string): { value: string | undefined; stale: boolean; token: string | undefined } {
  const { data } = JSON.parse(text) as {
    data: { found: boolean; value?: unknown; stale?: boolean; lease?: { token: string } };
  };
  return {
    // The values of this load were written by JSON.stringify, so it reproduces their text.
    value: data.found ? JSON.stringify(data.value) : undefined,
    stale: data.stale === true,
    token: data.lease?.token,
  };
}
