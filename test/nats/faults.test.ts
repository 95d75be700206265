import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startProxy } from '../faults/proxy.ts';
import { startNats } from '../support/engines/nats.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { startPublisher } from './publishing.ts';
import { startedInTests } from './resources.ts';
import { type Subscriber, subscribe } from './subscriber.ts';

const started = startedInTests();

const numbers = ({ received }: Subscriber) => received.map(({ event }) => event.number as number);

/** What a person makes of a sequence in which some may come twice. */
const distinct = (subscriber: Subscriber) => [...new Set(numbers(subscriber))];

/** Far above the bound of 50 ms, for the sake of busy machines, and far below any timeout of the client's own. */
const BOUNDED_MS = 1000;

async function timed(action: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await action();
  return performance.now() - begun;
}

const settled = async (
  publisher: ReturnType<typeof startPublisher>,
  subscriber: Subscriber,
  count: number,
) => {
  await expect
    .poll(async () => {
      await publisher.flush();
      return distinct(subscriber).length;
    })
    .toBeGreaterThanOrEqual(count);
};

test('events that are sent before there is a connection go out when there is one, in their order', async () => {
  const port = await freePort();
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${port}` });
  for (let number = 0; number < 3; number++) publisher.send(number);
  await expect.poll(() => publisher.lines.length).toBeGreaterThan(0);
  const server = await started(startNats({ port }));
  const subscriber = await started(subscribe(server.url));
  for (let number = 3; number < 6; number++) publisher.send(number);
  await settled(publisher, subscriber, 3);
  expect(numbers(subscriber).slice(-3)).toEqual([3, 4, 5]);
});

test('an outage is told once at its beginning and once at its end, and never who logs in', async () => {
  const server = await started(startNats({ config: 'authorization { user: "u", password: "hunter2" }' }));
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:hunter2@') });
  publisher.send(0);
  await expect.poll(() => timed(publisher.flush)).toBeLessThan(20);
  await server.kill();
  await sleep(1500);
  await server.restart();
  await expect
    .poll(() => publisher.lines.map(({ level, message }) => `${level} ${message}`))
    .toContain('INFO events connection restored');
  const warnings = publisher.lines.filter(({ level }) => level === 'WARN');
  expect(warnings.length).toBeGreaterThan(0);
  expect(new Set(warnings.map(({ error }) => error)).size).toBe(warnings.length);
  expect(JSON.stringify(publisher.lines)).not.toContain('hunter2');
});

test('a refused login is told as such', async () => {
  const server = await started(startNats({ config: 'authorization { user: "u", password: "p" }' }));
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:hunter2@') });
  await expect
    .poll(() => publisher.lines)
    .toContainEqual(expect.objectContaining({ level: 'WARN', error: 'Authorization Violation' }));
  expect(JSON.stringify(publisher.lines)).not.toContain('hunter2');
});

test('a refused subject is told once, and what is allowed goes through', async () => {
  const server = await started(
    startNats({
      config: 'authorization { users: [{ user: u, password: p, permissions: { publish: "elsewhere" } }] }',
    }),
  );
  const publisher = startPublisher({ NATS_URL: server.url.replace('://', '://u:p@') });
  for (let number = 0; number < 5; number++) publisher.send(number);
  await expect
    .poll(() => publisher.lines)
    .toEqual([expect.objectContaining({ level: 'WARN', message: 'events refused' })]);
  // And it does not hold up anything: the next connection is refused as well.
  await server.restart();
  publisher.send(5);
  const refusals = () => publisher.lines.filter(({ message }) => message === 'events refused');
  await expect.poll(refusals).toHaveLength(2);
});

test('a server that was killed and restarted gets what is sent afterwards', async () => {
  const server = await started(startNats());
  const publisher = startPublisher({ NATS_URL: server.url });
  const subscriber = await started(subscribe(server.url));
  publisher.send(0);
  await settled(publisher, subscriber, 1);
  await server.kill();
  publisher.send(1);
  await server.restart();
  const again = await started(subscribe(server.url));
  publisher.send(2);
  await expect.poll(() => numbers(again)).toContain(2);
});

test('events that went into a connection gone dark are sent again on the next one, in their order', async () => {
  const server = await started(startNats());
  const proxy = await started(startProxy(server.port));
  const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') }, true);
  const subscriber = await started(subscribe(server.url));
  publisher.send(0);
  await settled(publisher, subscriber, 1);
  proxy.drop();
  proxy.heal();
  for (let number = 1; number < 4; number++) publisher.send(number);
  expect(await timed(publisher.flush)).toBeLessThan(BOUNDED_MS);
  expect(numbers(subscriber)).toEqual([0]);
  await settled(publisher, subscriber, 4);
  expect(distinct(subscriber)).toEqual([0, 1, 2, 3]);
  publisher.send(4);
  await settled(publisher, subscriber, 5);
  expect(publisher.lines).toContainEqual(
    expect.objectContaining({ level: 'INFO', message: 'events connection lost', error: 'no answer' }),
  );
});

test('events whose confirmation was lost arrive again, and none is missing', async () => {
  const server = await started(startNats());
  const proxy = await started(startProxy(server.port));
  const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') });
  const subscriber = await started(subscribe(server.url));
  publisher.send(0);
  await settled(publisher, subscriber, 1);
  proxy.dropAnswers();
  publisher.send(1);
  await expect.poll(() => numbers(subscriber)).toEqual([0, 1]);
  proxy.heal();
  await expect.poll(() => numbers(subscriber)).toEqual([0, 1, 1]);
});

test('a slow network carries all of many events, in their order and within the bound for each', async () => {
  const server = await started(startNats());
  const proxy = await started(startProxy(server.port));
  const publisher = startPublisher({ NATS_URL: proxy.url.replace('redis:', 'nats:') }, true);
  const subscriber = await started(subscribe(server.url));
  publisher.send(0);
  await settled(publisher, subscriber, 1);
  proxy.delay(200);
  proxy.throttle(100_000);
  for (let number = 1; number < 200; number++) {
    publisher.send(number, 1000);
    if (number % 50 === 0) expect(await timed(publisher.flush)).toBeLessThan(BOUNDED_MS);
  }
  await settled(publisher, subscriber, 200);
  expect(distinct(subscriber)).toEqual(Array.from({ length: 200 }, (_, number) => number));
});

test('without a broker memory is bounded: the oldest are dropped, told once and counted at the end', async () => {
  const port = await freePort();
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${port}` });
  for (let number = 0; number < 3000; number++) publisher.send(number, 1000);
  const dropping = () => publisher.lines.filter(({ message }) => message.startsWith('events are dropped'));
  expect(dropping()).toHaveLength(1);
  const server = await started(startNats({ port }));
  await expect
    .poll(() => publisher.lines)
    .toContainEqual(expect.objectContaining({ level: 'WARN', message: 'events were dropped' }));
  const told = publisher.lines.find(({ message }) => message === 'events were dropped');
  expect(told?.count).toBeGreaterThan(1000);
  expect(told?.count).toBeLessThan(3000);
  const subscriber = await started(subscribe(server.url));
  publisher.send(-1);
  await settled(publisher, subscriber, 1);
  expect(dropping()).toHaveLength(1);
});

test('a broker that takes connections and says nothing leaves no sockets behind', async () => {
  const open = new Set<Socket>();
  let connections = 0;
  const silent = createServer((socket) => {
    connections++;
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
    socket.resume();
  });
  await started({
    stop: () => {
      for (const socket of open) socket.destroy();
      silent.close();
    },
  });
  const port = await freePort();
  silent.listen({ port, host: LOOPBACK, exclusive: true });
  await once(silent, 'listening');
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${port}` }, true);
  publisher.send(0);
  await expect.poll(() => connections).toBeGreaterThan(2);
  expect(open.size).toBeLessThanOrEqual(1);
  expect(await timed(publisher.flush)).toBeLessThan(BOUNDED_MS);
});

test('of several servers any will do', async () => {
  const server = await started(startNats());
  const gone = await freePort();
  const publisher = startPublisher({ NATS_URL: `nats://${LOOPBACK}:${gone},${LOOPBACK}:${server.port}` });
  const subscriber = await started(subscribe(server.url));
  publisher.send(0);
  await settled(publisher, subscriber, 1);
});
