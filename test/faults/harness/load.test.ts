import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { BackendUnavailableError } from '../../../lib/errors.ts';
import type { Call, Caller, HttpResponse } from './caller.ts';
import { brokenPromises, type Figures } from './figures.ts';
import { Load } from './load.ts';
import { judgeLimit } from './report.ts';

/** A cache in this process. Tests override a method to add a fault, which the load must find. */
class Cache implements Caller {
  readonly entries = new Map<string, string>();
  /** Lease tokens by key. */
  readonly leases = new Map<string, string>();
  /** Whether it responds with a success. */
  up = true;
  failure = unavailable();
  asked = 0;
  granted = 0;
  /** Response time, in milliseconds. */
  delayMs = 1;

  async ask(call: Call): Promise<HttpResponse> {
    this.asked++;
    await sleep(this.delayMs);
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

  /** Removes all entries of a tenant. A cache may remove more entries than requested. */
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

function unavailable(message = new BackendUnavailableError().message, details: object = {}): HttpResponse {
  const error = { code: 'BACKEND_UNAVAILABLE', message, details };
  return { status: 503, text: JSON.stringify({ success: false, error }) };
}

/** Waits until the cache has received `times` more requests. */
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

test('a load on a correct cache finds no violation and has hits', async () => {
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

  test('a cache that always returns the first value of a key', async () => {
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

  test('a failure outside of a fault', async () => {
    const cache = new Cache();
    const figures = await loadOn(cache, async () => {
      cache.up = false;
      await loaded(cache, 100);
    });
    expect(figures.unexplained).toBe(figures.failures['503 BACKEND_UNAVAILABLE']);
    expect(figures.unexplained).toBeGreaterThan(0);
  });

  test('a failure during a fault that the fault does not explain', async () => {
    const cache = new Cache();
    cache.failure = { status: 500, text: '{"success":false,"error":{"code":"INTERNAL_SERVER_ERROR"}}' };
    const figures = await loadOn(cache, (load) => load.during(() => outage(cache)));
    expect(figures.unexplained).toBe(figures.failures['500 INTERNAL_SERVER_ERROR']);
    expect(figures.unexplained).toBeGreaterThan(0);
  });

  test.each([
    ['its message', unavailable('connect ECONNREFUSED 10.0.0.7:6379')],
    ['its details', unavailable(undefined, { host: '10.0.0.7' })],
  ])('an error response with internal details in %s', async (_, failure) => {
    const cache = new Cache();
    cache.failure = failure;
    const figures = await loadOn(cache, (load) => load.during(() => outage(cache)));
    expect(figures.leaks).toBeGreaterThan(0);
    expect(figures.unexplained).toBe(0);
  });
});

test('failures during a fault are explained, and the recovery time is reported', async () => {
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

test('a scenario with a known limit is a failure if it no longer shows the limit', async () => {
  const figures = await loadOn(new Cache());
  expect(judgeLimit(figures, 'it forgets')).toEqual(['the known limit did not occur: it forgets']);
});

test('a 503 after more than a second is a violation, unless the fault or the machine added the time', async () => {
  const figures = { ...(await loadOn(new Cache())), slowest503Ms: 1300, lagMs: 0 };
  expect(brokenPromises(figures)).toEqual(['a 503 took 1300 ms, more than 1000']);
  expect(brokenPromises({ ...figures, injectedDelayMs: 300 })).toEqual([]);
  expect(brokenPromises({ ...figures, lagMs: 300 })).toEqual([]);
});

test('a success after more than a second is a violation, unless its time depends on the number of entries', async () => {
  const cache = new Cache();
  const ask = async (call: Call) => {
    cache.delayMs = call.operation === 'clear' ? 2000 : 1100;
    await load.ask(call);
    cache.delayMs = 0;
  };
  const load = new Load(cache, { callers: 0 });
  const [tenant = ''] = load.mix.tenants;
  await ask({ operation: 'clear', tenant });
  await ask({ operation: 'get', tenant, key: 'k' });
  const figures = { ...(await load.stop()), lagMs: 0 };
  expect(figures.slowestSuccessMs).toBeLessThan(figures.slowestMs);
  const ms = Math.round(figures.slowestSuccessMs);
  expect(brokenPromises(figures)).toEqual([`a success took ${ms} ms, more than 1000`]);
  expect(brokenPromises(figures, 5000)).toEqual([]);
});

test('a timeout outside of a fault is a violation, unless the machine was busy', async () => {
  const figures = { ...(await loadOn(new Cache())), timeouts: 2, lagMs: 0 };
  expect(brokenPromises(figures)).toEqual(['2 timeouts without a fault']);
  expect(brokenPromises({ ...figures, lagMs: 400 })).toEqual([]);
});

async function outage(cache: Cache): Promise<void> {
  cache.up = false;
  await loaded(cache, 200);
  cache.up = true;
}
