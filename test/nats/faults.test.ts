import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startProxy } from '../faults/proxy.ts';
import { type NatsServer, startNats } from '../support/engines/nats.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { numbersOf, startPublisher } from './publishing.ts';
import { createStopAfterTest } from './resources.ts';
import { type Subscriber, subscribe } from './subscriber.ts';

const stopAfterTest = createStopAfterTest();

type Publisher = ReturnType<typeof startPublisher>;

/** Above the bound of 20 ms, and no more than the shortest other timeout. */
const BOUNDED_MS = 1000;

/**
 * Expects a flush to end by a timer that is shorter than the bound. Timers of one process expire in their order, however late a
 * busy machine is.
 */
async function expectBounded({ flush }: Publisher): Promise<void> {
  const late = sleep(BOUNDED_MS, 'late', { ref: false });
  expect(await Promise.race([flush().then(() => 'in time'), late])).toBe('in time');
}

/** Waits until a flush ends before its bound, because everything that was sent is confirmed. */
async function confirmed({ flush }: Publisher): Promise<void> {
  await expect
    .poll(async () => {
      const begun = performance.now();
      await flush();
      return performance.now() - begun;
    })
    .toBeLessThan(20);
}

/** The distinct numbers: an event may arrive twice. */
const distinct = (subscriber: Subscriber) => [...new Set(numbersOf(subscriber))];

/** Waits until `count` distinct events have arrived. */
async function arrived(subscriber: Subscriber, count: number): Promise<void> {
  await expect.poll(() => distinct(subscriber).length).toBeGreaterThanOrEqual(count);
}

const logged = ({ lines }: Publisher, message: string) => lines.filter((line) => line.message === message);

test('events published before the first connection are sent in order after the publisher has connected', async () => {
  const port = await freePort();
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${port}` });
  for (let number = 0; number < 3; number++) publisher.send(number);
  await expect.poll(() => publisher.lines.length).toBeGreaterThan(0);
  const server = await stopAfterTest(startNats({ port }));
  const subscriber = await stopAfterTest(subscribe(server.url));
  for (let number = 3; number < 6; number++) publisher.send(number);
  // The publisher may have connected before the subscriber, or after it: then all six arrive.
  await expect.poll(() => numbersOf(subscriber)).toContain(5);
  expect(distinct(subscriber).slice(-3)).toEqual([3, 4, 5]);
});

test('an outage logs one warning for each cause and one line at its end, without the password', async () => {
  const server = await stopAfterTest(
    startNats({ config: 'authorization { user: "u", password: "hunter2" }' }),
  );
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:hunter2@') });
  const subscriber = await stopAfterTest(
    subscribe(server.url, 'cache.events.>', { user: 'u', pass: 'hunter2' }),
  );
  publisher.send(0);
  await arrived(subscriber, 1);
  await server.kill();
  await expect.poll(() => logged(publisher, 'event broker connection failed').length).toBeGreaterThan(0);
  await sleep(500);
  await server.restart();
  await expect.poll(() => logged(publisher, 'event broker connection restored')).toHaveLength(1);
  const warnings = publisher.lines.filter(({ level }) => level === 'WARN');
  expect(new Set(warnings.map(({ error }) => error)).size).toBe(warnings.length);
  expect(JSON.stringify(publisher.lines)).not.toContain('hunter2');
});

test('a rejected login is logged with the reason of the broker, without the password', async () => {
  const server = await stopAfterTest(startNats({ config: 'authorization { user: "u", password: "p" }' }));
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:hunter2@') });
  await expect
    .poll(() => publisher.lines)
    .toContainEqual(expect.objectContaining({ level: 'WARN', error: 'Authorization Violation' }));
  expect(JSON.stringify(publisher.lines)).not.toContain('hunter2');
});

test('a rejected subject is logged once per connection and does not block the queue', async () => {
  const server = await stopAfterTest(
    startNats({
      config: 'authorization { users: [{ user: u, password: p, permissions: { publish: "elsewhere" } }] }',
    }),
  );
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:p@') });
  for (let number = 0; number < 5; number++) publisher.send(number);
  await expect
    .poll(() => publisher.lines)
    .toEqual([expect.objectContaining({ level: 'WARN', message: 'event rejected by the broker' })]);
  await server.restart();
  publisher.send(5);
  await expect.poll(() => logged(publisher, 'event rejected by the broker')).toHaveLength(2);
});

test('a killed and restarted broker receives the events that are published afterwards', async () => {
  const server = await stopAfterTest(startNats());
  const publisher = startPublisher({ NATS_URL: server.url });
  const subscriber = await stopAfterTest(subscribe(server.url));
  publisher.send(0);
  await arrived(subscriber, 1);
  await server.kill();
  publisher.send(1);
  await server.restart();
  const again = await stopAfterTest(subscribe(server.url));
  publisher.send(2);
  await expect.poll(() => numbersOf(again)).toContain(2);
});

test('events sent over a silently lost connection are sent again in order over the next connection', async () => {
  const server = await stopAfterTest(startNats());
  const proxy = await stopAfterTest(startProxy(server.port));
  const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') });
  const subscriber = await stopAfterTest(subscribe(server.url));
  publisher.send(0);
  await arrived(subscriber, 1);
  proxy.drop();
  proxy.heal();
  for (let number = 1; number < 4; number++) publisher.send(number);
  await expectBounded(publisher);
  expect(numbersOf(subscriber)).toEqual([0]);
  await arrived(subscriber, 4);
  expect(distinct(subscriber)).toEqual([0, 1, 2, 3]);
  publisher.send(4);
  await arrived(subscriber, 5);
  expect(logged(publisher, 'event broker does not answer')).toEqual([
    expect.objectContaining({ level: 'INFO' }),
  ]);
});

test('an event whose confirmation was lost is sent again', async () => {
  const server = await stopAfterTest(startNats());
  const proxy = await stopAfterTest(startProxy(server.port));
  const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') });
  const subscriber = await stopAfterTest(subscribe(server.url));
  publisher.send(0);
  await arrived(subscriber, 1);
  await confirmed(publisher);
  proxy.dropResponses();
  publisher.send(1);
  await expect.poll(() => numbersOf(subscriber)).toEqual([0, 1]);
  proxy.heal();
  await expect.poll(() => numbersOf(subscriber)).toEqual([0, 1, 1]);
});

test.each([
  ['100 kB/s and 200 ms', 200, 100_000, 200],
  ['20 kB/s', 100, 20_000, 0],
])(
  'a network of %s carries a burst of events in order, and a flush stays bounded',
  async (_, count, rate, ms) => {
    const server = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(server.port));
    const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') });
    const subscriber = await stopAfterTest(subscribe(server.url));
    publisher.send(0);
    await arrived(subscriber, 1);
    proxy.delay(ms);
    proxy.throttle(rate);
    for (let number = 1; number < count; number++) {
      publisher.send(number, 1000);
      if (number % 50 === 0) await expectBounded(publisher);
    }
    await arrived(subscriber, count);
    expect(distinct(subscriber)).toEqual(Array.from({ length: count }, (_, number) => number));
  },
);

test.each<[string, (server: NatsServer) => unknown, (server: NatsServer) => unknown]>([
  ['killed', (server) => server.kill(), (server) => server.restart()],
  ['hanging', (server) => server.pause(), (server) => server.resume()],
])(
  'while the broker is %s, memory is bounded: the oldest events are dropped, logged once and counted at the end',
  async (_, begin, end) => {
    const server = await stopAfterTest(startNats());
    const publisher = startPublisher({ NATS_URL: server.url });
    const before = await stopAfterTest(subscribe(server.url));
    publisher.send(0);
    await arrived(before, 1);
    await begin(server);
    for (let number = 0; number < 3000; number++) publisher.send(number, 1000);
    expect(logged(publisher, 'event queue full, dropping oldest')).toHaveLength(1);
    await end(server);
    await expect.poll(() => logged(publisher, 'events dropped')).toHaveLength(1);
    const [{ level, count } = { level: undefined, count: undefined }] = logged(publisher, 'events dropped');
    expect(level).toBe('WARN');
    expect(count).toBeGreaterThan(1000);
    expect(count).toBeLessThan(3000);
    const after = await stopAfterTest(subscribe(server.url));
    publisher.send(-1);
    await expect.poll(() => numbersOf(after)).toContain(-1);
    expect(logged(publisher, 'event queue full, dropping oldest')).toHaveLength(1);
  },
);

test('a broker that accepts connections and never answers has at most one socket open', async () => {
  const open = new Set<Socket>();
  let connections = 0;
  const silent = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.resume();
  });
  await stopAfterTest({
    stop: () => {
      for (const socket of open) socket.destroy();
      silent.close();
    },
  });
  const port = await freePort();
  silent.listen({ port, host: LOOPBACK, exclusive: true });
  await once(silent, 'listening');
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${port}` });
  publisher.send(0);
  await expect.poll(() => connections).toBeGreaterThan(2);
  await expect.poll(() => open.size).toBeLessThanOrEqual(1);
  await expectBounded(publisher);
});

test('a publisher with several servers sends events to a reachable one', async () => {
  const server = await stopAfterTest(startNats());
  const gone = await freePort();
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${gone},${LOOPBACK}:${server.port}` });
  const subscriber = await stopAfterTest(subscribe(server.url));
  publisher.send(0);
  await arrived(subscriber, 1);
});
