import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { LOOPBACK } from '../support/engines/ports.ts';
import { A_WHILE_MS, proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, blockedClients } = fixture;

describe('hold', () => {
  test('keeps requests back, and release passes them on in order', async () => {
    const early = await call();
    early.say('PING');
    await early.hears('+PONG\r\n');
    fixture.proxy.hold();
    const late = await call();
    early.say('RPUSH list 1');
    early.say('RPUSH list 2');
    late.say('SET late yes');
    await sleep(A_WHILE_MS);
    early.say('RPUSH list 3');
    expect(await fixture.direct.exists('list', 'late')).toBe(0);
    expect(early.events.concat(late.events)).toEqual([]);

    fixture.proxy.release();
    await early.hears('+PONG\r\n:1\r\n:2\r\n:3\r\n');
    await late.hears('+OK\r\n');
    expect(await fixture.direct.lrange('list', 0, -1)).toEqual(['1', '2', '3']);
  });

  test('lets answers to earlier requests through', async () => {
    const caller = await call();
    caller.say('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    fixture.proxy.hold();
    await fixture.direct.rpush('queue', 'x');
    await caller.hears('*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n');
  });

  test.each([
    ['closed', (socket: Socket) => socket.destroy()],
    ['was reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('delivers on release what a client sent whose connection %s meanwhile', async (_, leave) => {
    fixture.proxy.hold();
    const caller = await call();
    caller.say('SET left yes');
    await sleep(A_WHILE_MS);
    leave(caller.socket);
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.get('left')).toBeNull();
    fixture.proxy.release();
    await expect.poll(() => fixture.direct.get('left')).toBe('yes');
  });
});

describe('strand', () => {
  test('keeps back what comes on open connections, also from a client that has left, until release', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    fixture.proxy.strand();
    old.say('SET stranded old');
    const fresh = await call();
    fresh.say('SET stranded new');
    await fresh.hears('+OK\r\n');
    old.socket.destroy();
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.get('stranded')).toBe('new');
    fixture.proxy.release();
    await expect.poll(() => fixture.direct.get('stranded')).toBe('old');
  });
});

test('delay adds its time to a round trip, and requests do not wait for each other', async () => {
  const caller = await call();
  fixture.proxy.delay(300);
  const begin = performance.now();
  const answered: number[] = [];
  caller.socket.on('data', () => {
    while (answered.length < caller.received().length / '+PONG\r\n'.length) answered.push(performance.now());
  });
  for (let i = 0; i < 20; i++) {
    caller.say('PING');
    await sleep(5);
  }
  await caller.hears('+PONG\r\n'.repeat(20));
  expect((answered[0] ?? 0) - begin).toBeGreaterThanOrEqual(299);
  // One after the other, any two answers would be 300 ms apart.
  const gaps = answered.slice(1).map((time, index) => time - (answered[index] ?? 0));
  expect(Math.min(...gaps)).toBeLessThan(200);

  fixture.proxy.delay(0);
  caller.say('ECHO x');
  await caller.hears(`${'+PONG\r\n'.repeat(20)}$1\r\nx\r\n`);
});

test('throttle limits what a connection carries each way', async () => {
  const client = new Redis(fixture.proxy.port, LOOPBACK);
  await client.ping();
  fixture.proxy.throttle(200_000);
  const value = 'x'.repeat(100_000);
  const begin = performance.now();
  await client.set('slow', value);
  const set = performance.now();
  // Half a second, less the slice that may pass at once.
  expect(set - begin).toBeGreaterThanOrEqual(400);
  expect(await client.get('slow')).toBe(value);
  expect(performance.now() - set).toBeGreaterThanOrEqual(400);

  fixture.proxy.throttle(Number.POSITIVE_INFINITY);
  expect(await client.get('slow')).toBe(value);
  await client.quit();
});
