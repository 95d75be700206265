import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { LOOPBACK } from '../support/engines/ports.ts';
import { A_WHILE_MS, proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, blockedClients } = fixture;

describe('hold', () => {
  test('holds requests back, and release delivers them in order', async () => {
    const early = await call();
    early.send('PING');
    await early.expectReceived('+PONG\r\n');
    fixture.proxy.hold();
    const late = await call();
    early.send('RPUSH list 1');
    early.send('RPUSH list 2');
    late.send('SET late yes');
    await sleep(A_WHILE_MS);
    early.send('RPUSH list 3');
    expect(await fixture.direct.exists('list', 'late')).toBe(0);
    expect(early.events.concat(late.events)).toEqual([]);

    fixture.proxy.release();
    await early.expectReceived('+PONG\r\n:1\r\n:2\r\n:3\r\n');
    await late.expectReceived('+OK\r\n');
    expect(await fixture.direct.lrange('list', 0, -1)).toEqual(['1', '2', '3']);
  });

  test('delivers responses to earlier requests', async () => {
    const caller = await call();
    caller.send('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    fixture.proxy.hold();
    await fixture.direct.rpush('queue', 'x');
    await caller.expectReceived('*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n');
  });

  test.each([
    ['closed', (socket: Socket) => socket.destroy()],
    ['was reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('delivers on release the bytes of a client whose connection %s meanwhile', async (_, leave) => {
    fixture.proxy.hold();
    const caller = await call();
    caller.send('SET left yes');
    await sleep(A_WHILE_MS);
    leave(caller.socket);
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.get('left')).toBeNull();
    fixture.proxy.release();
    await expect.poll(() => fixture.direct.get('left')).toBe('yes');
  });
});

describe('strand', () => {
  test('holds back bytes on open connections until release, also from a client that has disconnected', async () => {
    const old = await call();
    old.send('PING');
    await old.expectReceived('+PONG\r\n');
    fixture.proxy.strand();
    old.send('SET stranded old');
    const fresh = await call();
    fresh.send('SET stranded new');
    await fresh.expectReceived('+OK\r\n');
    old.socket.destroy();
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.get('stranded')).toBe('new');
    fixture.proxy.release();
    await expect.poll(() => fixture.direct.get('stranded')).toBe('old');
  });
});

test('delay adds its time to each round trip, and concurrent requests are delayed in parallel', async () => {
  const caller = await call();
  fixture.proxy.delay(300);
  const begin = performance.now();
  const completed: number[] = [];
  caller.socket.on('data', () => {
    while (completed.length < caller.received().length / '+PONG\r\n'.length)
      completed.push(performance.now());
  });
  for (let i = 0; i < 20; i++) {
    caller.send('PING');
    await sleep(5);
  }
  await caller.expectReceived('+PONG\r\n'.repeat(20));
  expect((completed[0] ?? 0) - begin).toBeGreaterThanOrEqual(299);
  // If the delays added up, two responses would be at least 300 ms apart.
  const gaps = completed.slice(1).map((time, index) => time - (completed[index] ?? 0));
  expect(Math.min(...gaps)).toBeLessThan(200);

  fixture.proxy.delay(0);
  caller.send('ECHO x');
  await caller.expectReceived(`${'+PONG\r\n'.repeat(20)}$1\r\nx\r\n`);
});

test('throttle limits the throughput of a connection in each direction', async () => {
  const client = new Redis(fixture.proxy.port, LOOPBACK);
  await client.ping();
  fixture.proxy.throttle(200_000);
  const value = 'x'.repeat(100_000);
  const begin = performance.now();
  await client.set('slow', value);
  const set = performance.now();
  // Half a second, minus the slice that passes at once.
  expect(set - begin).toBeGreaterThanOrEqual(400);
  expect(await client.get('slow')).toBe(value);
  expect(performance.now() - set).toBeGreaterThanOrEqual(400);

  fixture.proxy.throttle(Number.POSITIVE_INFINITY);
  expect(await client.get('slow')).toBe(value);
  await client.quit();
});
