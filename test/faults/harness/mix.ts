import { randomBytes } from 'node:crypto';
import { pseudoRandom } from '../../support/random.ts';
import type { Answer, Call } from './caller.ts';
import { type HistoryEvent, tagOf } from './history.ts';
import { stampedValue } from './value.ts';

export interface MixOptions {
  /** How many tenants, and keys of each: few of both meet more often. */
  tenants?: number;
  keysPerTenant?: number;
  /** How often each operation comes, in proportion to the others. */
  weights?: Partial<Record<Call['operation'], number>>;
  /** What sets are given to live, in seconds; each draws one. */
  ttlsSeconds?: readonly number[];
  /** The same seed asks for the same things in the same order. */
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

/** Seconds. The first is over before some fills are sent. */
const LEASES_SECONDS = [1, 30, 300] as const;
const GRACES_SECONDS = [0, 0, 2, 300] as const;

/** The share of fills that are sent again later. */
const REPEATED = 0.2;

/** A lease that was granted, and what to set with it. */
interface Granted {
  fill: Call & { operation: 'fill' };
  leasedAt: number;
}

let versions = 0;

/** Draws what to ask for, and writes down what was asked and answered. */
export class Mix {
  readonly random: () => number;
  readonly tenants: readonly string[];
  readonly #keys: number;
  readonly #draw: Call['operation'][];
  readonly #ttls: readonly number[];
  readonly #version = new WeakMap<Call, number>();
  /** Leases that are not used yet, or will be used again. */
  readonly #granted: Granted[] = [];
  readonly #leasedAt = new WeakMap<Call, number>();
  /** The event of a fill that was sent before. */
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

  /** A set with a version of its own. */
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

  /** A set with a lease that was granted some time ago, and may have ended. Undefined if there is none. */
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

  /** What the history has of a call that is about to be sent. Until it is answered nobody knows what became of it. */
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
        if (version === undefined) throw new Error('A set is made by set()');
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

  /** @returns what a success adds to the history */
  succeed(call: Call, events: HistoryEvent[], answer: Answer, began: number, ended: number): HistoryEvent[] {
    for (const event of events) {
      // A repeated fill changes nothing: it took effect before the first answer.
      if (event.kind === 'set' && event.done) continue;
      event.ended = ended;
      if (event.kind !== 'read') event.done = true;
    }
    if (call.operation !== 'get' && call.operation !== 'lease') return [];
    const { tenant, key } = call;
    const { value, stale, token } = dataOf(answer.text);
    if (token !== undefined) this.#grant(tenant, key, token, ended);
    return [{ kind: 'read', tenant, key, began, ended, value, stale }];
  }

  #of<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }
}

/** The answer to a get or a lease request. The text of its value is as it was set; undefined: a miss. */
function dataOf(text: string): { value: string | undefined; stale: boolean; token: string | undefined } {
  const { data } = JSON.parse(text) as {
    data: { found: boolean; value?: unknown; stale?: boolean; lease?: { token: string } };
  };
  return {
    // Ours are printed by JSON.stringify, which prints them again as they were.
    value: data.found ? JSON.stringify(data.value) : undefined,
    stale: data.stale === true,
    token: data.lease?.token,
  };
}
