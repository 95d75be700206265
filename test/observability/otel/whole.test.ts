import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { eventFor } from '../../bundles/events.ts';
import { startFunction } from '../../bundles/lambda.ts';
import { startService } from '../../faults/harness/service.ts';
import { API, Client, expectNoContent } from '../../http/client.ts';
import { fill, grantedToken, lease, sendRelease, setStale } from '../../http/lease.ts';
import { LOOPBACK } from '../../support/engines/ports.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { PATIENT } from '../../support/patience.ts';
import { CLIENT } from './otlp.ts';
import { type Receiver, startReceiver } from './receiver.ts';

const running: { stop(): Promise<void> }[] = [];
let engine: Server;

beforeAll(async () => {
  engine = await startServer();
});
afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});
afterAll(() => engine.stop());

async function collector(): Promise<Receiver> {
  const receiver = await startReceiver();
  running.push(receiver);
  return receiver;
}

const settings = ({ url }: Receiver) => ({
  ...PATIENT,
  ENABLE_OTEL: 'true',
  OTEL_EXPORTER_OTLP_ENDPOINT: url,
  DRAGONFLY_URL: engine.url,
});

describe('a local server that is stopped', () => {
  it('sends the queued spans and metrics', async () => {
    const receiver = await collector();
    const service = await startService(settings(receiver));
    const client = new Client(service);
    const correlation = (id: string) => ({ headers: ['X-Correlation-ID', id] });
    await client.set('k', '1');
    for (let index = 0; index < 5; index++) {
      await client.send({ target: `${API}/k`, ...correlation(`last-${index}`) });
    }
    await service.stop();
    const ids = receiver.spans.map(({ attributes }) => attributes['cache.correlation_id']);
    expect(ids).toEqual(expect.arrayContaining(['last-0', 'last-4']));
    const durations = receiver.metrics.filter(({ name }) => name === 'http.server.request.duration').at(-1);
    const gets = durations?.points.find(({ attributes }) => attributes['http.request.method'] === 'GET');
    expect(gets?.count).toBe(5);
  });

  it.each([
    ['is unreachable', (receiver: Receiver) => receiver.down()],
    ['does not respond', (receiver: Receiver) => receiver.hold()],
  ])('exits even if its collector %s', async (_, fail) => {
    const receiver = await collector();
    const service = await startService(settings(receiver));
    await fail(receiver);
    await new Client(service).set('k', '1');
    await service.stop();
  });
});

describe('the spans of backend operations', () => {
  it('contain the command and the server, and no key or value', async () => {
    const receiver = await collector();
    const service = await startService(settings(receiver));
    const client = new Client(service);
    await client.set('secret-key', '"secret-value"');
    await client.get('secret-key');
    await client.send({ target: '/health' });
    await service.stop();
    const calls = receiver.spans.filter(({ kind }) => kind === CLIENT);
    expect(calls.map(({ name }) => name)).toEqual(expect.arrayContaining(['EVALSHA', 'MGET', 'PING']));
    for (const { name, attributes } of calls) {
      expect(attributes).toEqual({
        'db.system.name': 'redis',
        'db.operation.name': name,
        'server.address': LOOPBACK,
        'server.port': engine.port,
      });
    }
    const all = receiver.received.map(({ body }) => body).join('\n');
    for (const secret of ['secret-key', 'secret-value']) expect(all.includes(secret)).toBe(false);
  });
});

describe('hits and misses', () => {
  it('are counted per operation, and per key of a batch', async () => {
    const receiver = await collector();
    const service = await startService(settings(receiver));
    const client = new Client(service);
    await client.set('there', '1');
    for (const key of ['there', 'there', 'not']) await client.get(key);
    const body = JSON.stringify({ keys: ['there', 'not', 'neither'] });
    await client.send({ method: 'POST', target: `${API}/batch/get`, body });
    await service.stop();
    const last = (name: string) =>
      Object.fromEntries(
        receiver.metrics
          .filter((metric) => metric.name === name)
          .at(-1)
          ?.points.map(({ attributes, count }) => [JSON.stringify(attributes), count]) ?? [],
      );
    const operation = (name: string) => JSON.stringify({ 'cache.operation': name });
    expect(last('cache.hits')).toEqual({ [operation('get')]: 2, [operation('batch-get')]: 1 });
    expect(last('cache.misses')).toEqual({ [operation('get')]: 1, [operation('batch-get')]: 2 });
    const spans = receiver.spans.filter(({ attributes }) => attributes['cache.operation'] === 'get');
    expect(spans.map(({ attributes }) => attributes['cache.hit'])).toEqual([true, true, false]);
  });

  it('of lease requests are counted, and so are leases and rejected fills', async () => {
    const receiver = await collector();
    const service = await startService(settings(receiver));
    const client = new Client(service);
    await setStale(client, 'stale', '1');
    await client.set('there', '1');
    const token = await grantedToken(client, 'not');
    for (const key of ['there', 'not', 'stale']) await lease(client, key);
    expectNoContent(await sendRelease(client, { key: 'not', lease: token }));
    expect((await fill(client, 'not', '1', token)).status).toBe(409);
    await service.stop();
    const last = (name: string) =>
      receiver.metrics
        .filter((metric) => metric.name === name)
        .at(-1)
        ?.points.filter(({ attributes }) => /^lease|^set/.test(String(attributes['cache.operation'])))
        .map(({ attributes, count }) => [attributes['cache.operation'], count]);
    expect(last('cache.hits')).toEqual([['lease', 1]]);
    expect(last('cache.misses')).toContainEqual(['lease', 1]);
    expect(last('cache.leases.granted')).toEqual([['lease', 2]]);
    expect(last('cache.leases.waits')).toEqual([['lease', 1]]);
    expect(last('cache.stale_reads')).toEqual([['lease', 1]]);
    expect(last('cache.fills.rejected')).toEqual([['set', 1]]);
  });

  it('are counted in functions too', async () => {
    const receiver = await collector();
    const get = await startFunction('get', { ...settings(receiver), LOG_LEVEL: 'WARN' });
    running.push(get);
    const event = () =>
      eventFor('get', { parameters: { key: 'nothing' }, headers: { 'X-Tenant-ID': 'functions' } });
    await expect
      .poll(async () => {
        await get.invoke(event());
        return receiver.metrics.some(({ name }) => name === 'cache.misses');
      })
      .toBe(true);
  });
});
