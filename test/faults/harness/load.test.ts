import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import type { Answer, Call, Caller } from './caller.ts';
import { brokenPromises, type Figures } from './figures.ts';
import { Load } from './load.ts';
import { judgeLimit } from './report.ts';

/** A cache in this process with one fault, that a load on it must find. */
class Cache implements Caller {
  readonly entries = new Map<string, string>();
  /** The tokens of leases. */
  readonly leases = new Map<string, string>();
  /** Whether it answers. */
  up = true;
  failure = unavailable();
  asked = 0;
  granted = 0;
  /** How long its answers take, in milliseconds. */
  lateBy = 1;

  async ask(call: Call): Promise<Answer> {
    this.asked++;
    await sleep(this.lateBy);
    if (!this.up) return this.failure;
    const of = (key: string) => `${call.tenant}/${key}`;
    switch (call.operation) {
      case 'get':
      case 'lease': {
        const value = this.read(of(call.key));
        const token = call.operation === 'lease' ? String(++this.granted) : undefined;
        if (value === undefined && token) this.leases.set(of(call.key), token);
        const miss = token ? `{"found":false,"lease":{"token":"${token}"}}` : '{"found":false}';
        const data = value === undefined ? miss : `{"found":true,"value":${value}}`;
        return { status: 200, text: `{"success":true,"data":${data}}` };
      }
      case 'fill':
        if (!this.mayFill(of(call.key), call.token)) return { status: 409, text: '' };
        this.entries.set(of(call.key), call.value);
        return { status: 201, text: '' };
      case 'set':
        this.leases.delete(of(call.key));
        this.entries.set(of(call.key), call.value);
        return { status: 201, text: '' };
      case 'touch':
        return { status: 200, text: '' };
      case 'delete':
        this.leases.delete(of(call.key));
        this.entries.delete(of(call.key));
        return { status: 204, text: '' };
      default:
        this.removeAll(call.tenant);
        return { status: 200, text: '' };
    }
  }

  close(): void {}

  /** More than was asked for, which a cache may. */
  removeAll(tenant: string): void {
    for (const names of [this.entries, this.leases]) {
      for (const name of names.keys()) if (name.startsWith(`${tenant}/`)) names.delete(name);
    }
  }

  mayFill(name: string, token: string): boolean {
    return this.leases.get(name) === token;
  }

  read(name: string): string | undefined {
    return this.entries.get(name);
  }
}

function unavailable(message = new BackendUnavailableError().message, details: object = {}): Answer {
  const error = { code: 'BACKEND_UNAVAILABLE', message, details };
  return { status: 503, text: JSON.stringify({ success: false, error }) };
}

/** Until the cache has been asked as often again as says, however long that takes. */
async function loaded(cache: Cache, times = 1500): Promise<void> {
  for (const end = cache.asked + times; cache.asked < end; ) await sleep(1);
}

async function loadOn(
  cache: Cache,
  meanwhile: (load: Load) => Promise<unknown> = () => loaded(cache),
): Promise<Figures> {
  const load = new Load(cache, { callers: 8, pauseMs: 1, tenants: 2, keysPerTenant: 4 });
  await meanwhile(load);
  return load.stop();
}

test('a load on a cache without fault finds none, and reads what was set', async () => {
  const figures = await loadOn(new Cache());
  expect(brokenPromises(figures), figures.problems.join('\n')).toEqual([]);
  expect(figures.hits).toBeGreaterThan(0);
});

describe('a load finds', () => {
  test('a cache that invalidates nothing', async () => {
    const cache = new Cache();
    cache.removeAll = () => {};
    const figures = await loadOn(cache);
    expect(figures.stale).toBeGreaterThan(0);
    expect(brokenPromises(figures)).toEqual([`${figures.stale} stale`]);
    expect(judgeLimit(figures, 'it is known')).toEqual([]);
  });

  test('a cache that accepts sets whose leases have ended', async () => {
    const cache = new Cache();
    cache.mayFill = () => true;
    expect((await loadOn(cache)).stale).toBeGreaterThan(0);
  });

  test('a cache that returns what was set first', async () => {
    const cache = new Cache();
    const first = new Map<string, string>();
    cache.read = (name) => {
      const value = cache.entries.get(name);
      if (value !== undefined && !first.has(name)) first.set(name, value);
      return first.get(name);
    };
    expect((await loadOn(cache)).stale).toBeGreaterThan(0);
  });

  test('a cache that confuses tenants, and one that confuses keys', async () => {
    for (const confuse of [
      (name: string) => name.replace(/-0\//, '-1/'),
      (name: string) => name.replace(/g\d:\d$/, 'g0:0'),
    ]) {
      const cache = new Cache();
      cache.read = (name) => cache.entries.get(confuse(name));
      expect((await loadOn(cache)).foreign).toBeGreaterThan(0);
    }
  });

  test('a cache that cuts values short', async () => {
    const cache = new Cache();
    cache.read = (name) => cache.entries.get(name)?.replace(/..."}$/, '"}');
    expect((await loadOn(cache)).torn).toBeGreaterThan(0);
  });

  test('a failure outside of every fault', async () => {
    const cache = new Cache();
    const figures = await loadOn(cache, async () => {
      cache.up = false;
      await loaded(cache, 100);
    });
    expect(figures.unexplained).toBe(figures.failures['503 BACKEND_UNAVAILABLE']);
    expect(figures.unexplained).toBeGreaterThan(0);
  });

  test('another failure than the one that a fault explains', async () => {
    const cache = new Cache();
    cache.failure = { status: 500, text: '{"success":false,"error":{"code":"INTERNAL_SERVER_ERROR"}}' };
    const figures = await loadOn(cache, (load) => load.during(() => outage(cache)));
    expect(figures.unexplained).toBe(figures.failures['500 INTERNAL_SERVER_ERROR']);
    expect(figures.unexplained).toBeGreaterThan(0);
  });

  test.each([
    ['its message', unavailable('connect ECONNREFUSED 10.0.0.7:6379')],
    ['its details', unavailable(undefined, { host: '10.0.0.7' })],
  ])('a failure that shows in %s what lies behind', async (_, failure) => {
    const cache = new Cache();
    cache.failure = failure;
    const figures = await loadOn(cache, (load) => load.during(() => outage(cache)));
    expect(figures.leaks).toBeGreaterThan(0);
    expect(figures.unexplained).toBe(0);
  });
});

test('failures during a fault are explained, and the time until all works again is told', async () => {
  const cache = new Cache();
  const figures = await loadOn(cache, (load) =>
    load.during(async () => {
      cache.up = false;
      await loaded(cache, 200);
      setTimeout(() => {
        cache.up = true;
      }, 100);
    }),
  );
  expect(brokenPromises(figures)).toEqual([]);
  expect(figures.failures['503 BACKEND_UNAVAILABLE']).toBeGreaterThan(0);
  expect(figures.recoveryMs.get).toBeGreaterThan(90);
});

test('a scenario that no longer shows its limit has broken its word', async () => {
  const figures = await loadOn(new Cache());
  expect(judgeLimit(figures, 'it forgets')).toEqual(['it shows no longer that it forgets']);
});

test('a 503 that comes too late breaks a promise, but for what the fault and the machine add', async () => {
  const figures = { ...(await loadOn(new Cache())), slowest503Ms: 1300, lagMs: 0 };
  expect(brokenPromises(figures)).toEqual(['a 503 after 1300 ms and not within 1000']);
  expect(brokenPromises({ ...figures, injectedDelayMs: 300 })).toEqual([]);
  expect(brokenPromises({ ...figures, lagMs: 300 })).toEqual([]);
});

test('a success that comes too late breaks the same promise, but for what takes as long as there are entries', async () => {
  const cache = new Cache();
  const ask = async (call: Call) => {
    cache.lateBy = call.operation === 'clear' ? 2000 : 1100;
    await load.ask(call);
    cache.lateBy = 0;
  };
  const load = new Load(cache, { callers: 0 });
  const [tenant = ''] = load.mix.tenants;
  await ask({ operation: 'clear', tenant });
  await ask({ operation: 'get', tenant, key: 'k' });
  const figures = { ...(await load.stop()), lagMs: 0 };
  expect(figures.slowestSuccessMs).toBeLessThan(figures.slowestMs);
  const ms = Math.round(figures.slowestSuccessMs);
  expect(brokenPromises(figures)).toEqual([`a success after ${ms} ms and not within 1000`]);
  expect(brokenPromises(figures, 5000)).toEqual([]);
});

test('a timeout outside of every fault breaks a promise, unless the machine was busy', async () => {
  const figures = { ...(await loadOn(new Cache())), timeouts: 2, lagMs: 0 };
  expect(brokenPromises(figures)).toEqual(['2 timeouts without a fault']);
  expect(brokenPromises({ ...figures, lagMs: 400 })).toEqual([]);
});

async function outage(cache: Cache): Promise<void> {
  cache.up = false;
  await loaded(cache, 200);
  cache.up = true;
}
