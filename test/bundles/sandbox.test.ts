import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import type { Operation } from '../../lib/routes.ts';
import { startProxy } from '../faults/proxy.ts';
import { infoFields, masters, withRawClient } from '../support/engines/inspect.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { IMPATIENT } from '../support/patience.ts';
import { eventFor } from './events.ts';
import { type LambdaFunction, startFunction } from './lambda.ts';

/** BACKEND_TIMEOUT_MS: short enough for a test to freeze the function for longer. */
const TIMEOUT_MS = 3000;

/** Longer than any timer that a request could have started. */
const LONG_FREEZE_MS = 1.5 * TIMEOUT_MS;

const running: { stop(): Promise<void> }[] = [];

afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});

/** Stops it after the test. */
async function stopAfterTest<T extends { stop(): Promise<void> }>(starting: Promise<T>): Promise<T> {
  const result = await starting;
  running.push(result);
  return result;
}

const sandbox = (
  operation: Operation,
  backend?: { url: string },
  settings: Record<string, string> = {},
): Promise<LambdaFunction> =>
  stopAfterTest(startFunction(operation, { ...settings, ...(backend && { DRAGONFLY_URL: backend.url }) }));

const headers = { 'X-Tenant-ID': 'sandbox' };
const setEvent = eventFor('set', { headers, body: { key: 'k', value: 'kept' } });
const getEvent = eventFor('get', { headers, parameters: { key: 'k' } });

const hit = { statusCode: 200, body: expect.stringContaining('"value":"kept"') };
const miss = { statusCode: 200, body: expect.stringContaining('"found":false') };

const connectionsMade = (server: Server): Promise<number> =>
  withRawClient(server.url, async (client) => {
    const [node] = masters(client);
    if (!node) throw new Error('No server');
    return Number((await infoFields(node, 'stats')).total_connections_received);
  });

describe('a function after a freeze', () => {
  it('uses its existing connection', async () => {
    const server = await stopAfterTest(startServer());
    const set = await sandbox('set', server, { BACKEND_TIMEOUT_MS: String(TIMEOUT_MS) });
    await set.invoke(setEvent);
    const before = await connectionsMade(server);
    for (let time = 0; time < 2; time++) {
      await sleep(LONG_FREEZE_MS);
      expect(await set.invoke(setEvent)).toMatchObject({ statusCode: 201 });
    }
    // Reading the count takes one connection.
    expect(await connectionsMade(server)).toBe(before + 1);
  });

  it('reconnects and responds if the connection was lost silently', async () => {
    const server = await stopAfterTest(startServer());
    const proxy = await stopAfterTest(startProxy(server.port));
    const [set, get] = await Promise.all([sandbox('set', server), sandbox('get', proxy)]);
    await set.invoke(setEvent);
    expect(await get.invoke(getEvent)).toMatchObject(hit);
    proxy.drop();
    proxy.heal();
    expect(await get.invoke(getEvent)).toMatchObject(hit);
  });

  it('reconnects and responds if the backend was restarted', async () => {
    const server = await stopAfterTest(startServer());
    const [set, get] = await Promise.all([sandbox('set', server), sandbox('get', server)]);
    await set.invoke(setEvent);
    expect(await get.invoke(getEvent)).toMatchObject(hit);
    await server.restart();
    expect(await get.invoke(getEvent)).toMatchObject(miss);
  });
});

describe('a function with an unreachable backend', () => {
  it('starts, returns 503, and returns 200 when the backend is reachable again', async () => {
    const server = await stopAfterTest(startServer());
    await server.kill();
    const [get, health] = await Promise.all([
      sandbox('get', server, IMPATIENT),
      sandbox('health', server, IMPATIENT),
    ]);
    expect(await get.invoke(getEvent)).toMatchObject({
      statusCode: 503,
      headers: { 'retry-after': '1' },
      body: expect.stringContaining('"code":"BACKEND_UNAVAILABLE"'),
    });
    expect(await health.invoke(eventFor('health'))).toMatchObject({
      statusCode: 503,
      body: expect.stringContaining('"status":"unhealthy"'),
    });
    await server.restart();
    await expect.poll(() => get.invoke(getEvent)).toMatchObject(miss);
  });

  it('returns neither the address nor the password of the backend to callers', async () => {
    const port = await freePort();
    const get = await sandbox('get', { url: `redis://user:secret@${LOOPBACK}:${port}` }, IMPATIENT);
    const response = JSON.stringify(await get.invoke(getEvent));
    expect(response).not.toContain(LOOPBACK);
    expect(response).not.toContain(String(port));
    expect(response + get.output()).not.toContain('secret');
  });
});

describe('a function without DRAGONFLY_URL', () => {
  it('uses the memory store and logs one warning at its start', async () => {
    const health = await sandbox('health');
    const warnings = () =>
      health
        .output()
        .split('\n')
        .filter((line) => line.includes('"level":"WARN"'));
    expect(warnings()).toEqual([expect.stringContaining('DRAGONFLY_URL is not set')]);
    for (let time = 0; time < 2; time++) {
      expect(await health.invoke(eventFor('health'))).toMatchObject({
        statusCode: 200,
        body: expect.stringContaining('"backend":"memory"'),
      });
    }
    expect(warnings()).toHaveLength(1);
  });

  it.each<[Operation, object, number]>([
    ['get', getEvent, 200],
    ['set', setEvent, 201],
    ['delete', eventFor('delete', { headers, parameters: { key: 'k' } }), 204],
    ['invalidate', eventFor('invalidate', { headers, body: {} }), 200],
    ['clear-tenant', eventFor('clear-tenant', { headers, parameters: { tenant_id: 'sandbox' } }), 204],
  ])('responds to a %s with its success status', async (operation, event, status) => {
    const running = await sandbox(operation);
    expect(await running.invoke(event)).toMatchObject({ statusCode: status });
  });
});

describe('a function', () => {
  it.each(Object.entries({ MAX_TTL_SECONDS: 'long', DRAGONFLY_URL: 'http://cache', ENABLE_NATS: 'true' }))(
    'does not start with the invalid setting %s=%s, and reports its name',
    async (name, value) => {
      await expect(startFunction('get', { [name]: value })).rejects.toThrow(
        expect.objectContaining({ name: 'ConfigError', message: expect.stringContaining(name) }),
      );
    },
  );

  it('is killed when its timeout expires', async () => {
    const server = await stopAfterTest(startServer());
    const get = await sandbox('get', server);
    server.pause();
    await expect(get.invoke(getEvent, 100)).rejects.toThrow(
      expect.objectContaining({ name: 'Sandbox.Timedout' }),
    );
    await expect(get.invoke(getEvent)).rejects.toThrow(/Ended with SIGKILL|timed out/);
  });
});
