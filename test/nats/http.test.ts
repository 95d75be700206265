import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { newTenant, serviceBackends } from '../conformance/backends.ts';
import { batch } from '../http/batch.ts';
import { API, Client, dataOf, detailsOf, expectNoContent } from '../http/client.ts';
import { fill, grantedToken, sendRelease, UNKNOWN_TOKEN } from '../http/lease.ts';
import { type Service, startService } from '../http/service.ts';
import { type NatsServer, startNats } from '../support/engines/nats.ts';
import { createStopAfterTest } from './resources.ts';
import { type Received, type Subscriber, subscribe } from './subscriber.ts';

const stopAfterTest = createStopAfterTest();

/** Checks the events of a tenant. @returns them without correlation ids and timestamps */
function contents(received: Received[], tenant: string): Record<string, unknown>[] {
  return received
    .filter(({ event }) => event.tenant_id === tenant)
    .map(({ subject, event }) => {
      const { tenant_id, correlation_id, timestamp, ...content } = event;
      expect(subject).toBe(`cache.events.${tenant.replaceAll('.', '%2E')}`);
      expect(correlation_id).toMatch(/^[!-~]{1,128}$/);
      expect(timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
      return content;
    });
}

describe.each(serviceBackends)('events of the service ($name)', ({ url }) => {
  let nats: NatsServer;
  let service: Service;
  let subscriber: Subscriber;

  beforeAll(async () => {
    nats = await startNats();
    subscriber = await subscribe(nats.url);
    const env = { ENABLE_NATS: 'true', NATS_URL: nats.url, ...(url !== undefined && { DRAGONFLY_URL: url }) };
    service = await startService(env);
  });
  afterAll(async () => {
    await service?.stop();
    await subscriber?.stop();
    await nats?.stop();
  });

  const eventsOf = (client: Client) => contents(subscriber.received, client.tenant);

  test('report each change, in the order of the changes', async () => {
    const client = new Client(service);
    const post = (path: string, body: object) =>
      client.send({ method: 'POST', target: `${API}/${path}`, body: JSON.stringify(body) });
    await client.set('user:1', '1');
    await client.set('user:2', '{"long":"value"}', 60);
    await post('touch', { key: 'user:2', ttl: 30 });
    await post('touch', { key: 'absent', ttl: 30 });
    await client.delete('user:1');
    await client.invalidate({ pattern: 'user:*' });
    await client.post('{"key":"tagged","value":1,"tags":["doc:1"]}');
    await client.invalidate({ tags: ['doc:2', 'doc:1', 'doc:2'] });
    await client.set('ключ/🙂?', 'null');
    await post('batch/set', {
      items: [
        { key: 'a', value: 1 },
        { key: 'b', value: 2 },
        // A repeated key has one event.
        { key: 'a', value: 3 },
      ],
    });
    await post('batch/delete', { keys: ['a', 'absent', 'a'] });
    await client.invalidate();
    await client.set('last', '1');
    await client.clear();
    await expect.poll(() => eventsOf(client).at(-1)).toMatchObject({ event_type: 'cache.cleared' });
    expect(eventsOf(client)).toEqual([
      { event_type: 'cache.set', key: 'user:1' },
      { event_type: 'cache.set', key: 'user:2' },
      // The touch of the existing entry. The touch of the missing entry changes nothing.
      { event_type: 'cache.set', key: 'user:2' },
      { event_type: 'cache.deleted', key: 'user:1' },
      { event_type: 'cache.invalidated', pattern: 'user:*', count: 1 },
      { event_type: 'cache.set', key: 'tagged' },
      { event_type: 'cache.invalidated', tags: ['doc:2', 'doc:1'], count: 1 },
      { event_type: 'cache.set', key: 'ключ/🙂?' },
      { event_type: 'cache.set', key: 'a' },
      { event_type: 'cache.set', key: 'b' },
      { event_type: 'cache.deleted', key: 'a' },
      { event_type: 'cache.deleted', key: 'absent' },
      { event_type: 'cache.invalidated', pattern: '*', count: 2 },
      { event_type: 'cache.set', key: 'last' },
      { event_type: 'cache.cleared', count: 1 },
    ]);
  });

  test('report fills, and neither leases nor fills that were rejected', async () => {
    const client = new Client(service);
    const token = await grantedToken(client, 'filled');
    const released = await grantedToken(client, 'released');
    expectNoContent(await sendRelease(client, { key: 'released', lease: released }));
    dataOf(await fill(client, 'filled', '1', token), 201);
    detailsOf(await fill(client, 'released', '1', released), 409, 'LEASE_LOST');
    await batch(client, 'get', '{"keys":["a","b"],"lease":30}');
    const items = [
      { key: 'lost', value: 1, lease: UNKNOWN_TOKEN },
      { key: 'in batch', value: 1, lease: await grantedToken(client, 'in batch') },
      // An item of this key is lost, and another one is set.
      { key: 'both', value: 1, lease: UNKNOWN_TOKEN },
      { key: 'both', value: 2 },
    ];
    await batch(client, 'set', JSON.stringify({ items }));
    await client.set('end', '1');
    await expect.poll(() => eventsOf(client).at(-1)).toEqual({ event_type: 'cache.set', key: 'end' });
    expect(eventsOf(client)).toEqual(
      ['filled', 'in batch', 'both', 'end'].map((key) => ({ event_type: 'cache.set', key })),
    );
  });

  test('contain the correlation id of their request', async () => {
    const client = new Client(service);
    await client.send({
      method: 'DELETE',
      target: `${API}?key=k`,
      headers: ['X-Correlation-ID', 'chain-"1"'],
    });
    const mine = () => subscriber.received.filter(({ event }) => event.tenant_id === client.tenant);
    await expect.poll(mine).toHaveLength(1);
    expect(mine()[0]?.event.correlation_id).toBe('chain-"1"');
  });

  test('are not published for reads and rejected requests', async () => {
    const client = new Client(service);
    await client.get('absent');
    await client.set('', '1');
    await client.set('k', '1', 0);
    await client.post('{"key":"k","value":[1,]}');
    await client.clear('somebody-else');
    await client.invalidate({ tags: [] });
    await client.send({ target: `${API}/tenant/${client.tenant}/keys` });
    await client.set('end', '1');
    await expect.poll(() => eventsOf(client).length).toBeGreaterThan(0);
    expect(eventsOf(client)).toEqual([{ event_type: 'cache.set', key: 'end' }]);
  });

  test.each(['a.b', 'a..b.', 'x-y_z.'])(
    'of the tenant %s are published to its own subject only',
    async (name) => {
      const client = new Client(service, `${name}${newTenant()}`);
      const token = client.tenant.replaceAll('.', '%2E');
      const own = await stopAfterTest(subscribe(nats.url, `cache.events.${token}`));
      const one = await stopAfterTest(subscribe(nats.url, 'cache.events.*'));
      await new Client(service).set('neighbour', '1');
      await client.set('k', '1');
      await expect.poll(() => own.received.length).toBe(1);
      expect(contents(own.received, client.tenant)).toEqual([{ event_type: 'cache.set', key: 'k' }]);
      await expect.poll(() => contents(one.received, client.tenant)).toHaveLength(1);
    },
  );

  test('are published after the change: a get after the event of a set returns the value', async () => {
    const client = new Client(service);
    for (let number = 0; number < 20; number++) {
      const before = eventsOf(client).length;
      const setting = client.set('k', String(number));
      await expect.poll(() => eventsOf(client).length, { interval: 1 }).toBe(before + 1);
      expect(dataOf(await client.get('k'), 200)).toMatchObject({ value: number });
      await setting;
    }
  });

  test('leave no key and no value in the log', () => {
    expect(service.stdout()).not.toMatch(/user:1|ключ|long/);
    expect(service.stderr()).toBe('');
  });
});

test('the service starts, serves and stops while its broker is unreachable, and logs that once', async () => {
  const service = await stopAfterTest(
    startService({ ENABLE_NATS: 'true', NATS_URL: 'nats://u:hunter2@127.0.0.1:9' }),
  );
  const client = new Client(service);
  for (let number = 0; number < 20; number++) expect((await client.set('k', '1')).status).toBe(201);
  await service.stop();
  const lines = service.stdout().split('\n');
  expect(lines.filter((line) => line.includes('event broker connection failed'))).toHaveLength(1);
  expect(service.stdout() + service.stderr()).not.toContain('hunter2');
});

test('the service logs in over TLS if NODE_EXTRA_CA_CERTS contains the authority of the broker', async () => {
  const nats = await stopAfterTest(
    startNats({ tls: true, config: 'authorization { users: [{ user: u, password: "p w" }] }' }),
  );
  const subscriber = await stopAfterTest(
    subscribe(nats.url, 'cache.events.>', { user: 'u', pass: 'p w', tls: { ca: nats.ca } }),
  );
  const service = await stopAfterTest(
    startService({
      ENABLE_NATS: 'true',
      NATS_URL: nats.url.replace('://', '://u:p%20w@'),
      NODE_EXTRA_CA_CERTS: nats.caFile ?? '',
    }),
  );
  const client = new Client(service);
  await client.set('k', '1');
  await expect
    .poll(() => contents(subscriber.received, client.tenant))
    .toEqual([{ event_type: 'cache.set', key: 'k' }]);
  expect(service.stdout()).not.toContain('p%20w');
});
