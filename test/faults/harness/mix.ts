import { randomBytes } from 'node:crypto';
import { pseudoRandom } from '../../support/random.ts';
import type { Answer, Call } from './caller.ts';
import type { HistoryEvent } from './history.ts';
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
  delete: 3,
  invalidate: 4,
  clear: 1,
};
const GROUPS = 5;

let versions = 0;

/** Draws what to ask for, and writes down what was asked and answered. */
export class Mix {
  readonly random: () => number;
  readonly tenants: readonly string[];
  readonly #keys: number;
  readonly #draw: Call['operation'][];
  readonly #ttls: readonly number[];
  readonly #version = new WeakMap<Call, number>();

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
      case 'touch':
        return { operation, tenant, key, ttlSeconds: this.#of(this.#ttls) };
      case 'invalidate':
        return {
          operation,
          tenant,
          pattern: this.#of([`g${index % GROUPS}:*`, `*:${index}`, `g?:${index % 10}*`, key]),
        };
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

  /** What the history has of a call that is about to be sent. Until it is answered nobody knows what became of it. */
  begin(call: Call, began: number): HistoryEvent[] {
    const { tenant } = call;
    const span = { tenant, began, ended: Number.POSITIVE_INFINITY };
    switch (call.operation) {
      case 'get':
        return [];
      case 'set': {
        const { key, ttlSeconds } = call;
        const version = this.#version.get(call);
        if (version === undefined) throw new Error('A set is made by set()');
        return [{ kind: 'set', ...span, key, version, ttlSeconds, done: false }];
      }
      case 'touch':
        return [{ kind: 'touch', ...span, key: call.key, ttlSeconds: call.ttlSeconds, done: false }];
      case 'delete':
        return [{ kind: 'removal', ...span, key: call.key, done: false }];
      case 'invalidate':
        return [{ kind: 'removal', ...span, pattern: call.pattern, done: false }];
      case 'clear':
        return [{ kind: 'removal', ...span, done: false }];
    }
  }

  /** @returns what a success adds to the history */
  succeed(call: Call, events: HistoryEvent[], answer: Answer, began: number, ended: number): HistoryEvent[] {
    for (const event of events) {
      event.ended = ended;
      if (event.kind !== 'read') event.done = true;
    }
    if (call.operation !== 'get') return [];
    const { tenant, key } = call;
    return [{ kind: 'read', tenant, key, began, ended, value: valueIn(answer.text) }];
  }

  #of<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)] as T;
  }
}

/** The text of the value in the answer to a get, which stands in it as it was set. Undefined: a miss. */
function valueIn(text: string): string | undefined {
  const { data } = JSON.parse(text) as { data: { found: boolean; value?: unknown } };
  if (!data.found) return undefined;
  // Ours are printed by JSON.stringify, which prints them again as they were.
  return JSON.stringify(data.value);
}
