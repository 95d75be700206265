import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { LOOPBACK } from '../support/engines/ports.ts';
import { startServer } from '../support/engines/server.ts';
import { startProxy } from './proxy.ts';
import { proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, connectedClients } = fixture;

describe('a proxy that was told nothing', () => {
  test('carries large values both ways unchanged', async () => {
    const client = new Redis(fixture.proxy.port, LOOPBACK);
    const value = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
    await client.set('large', value);
    expect(value.equals((await client.getBuffer('large')) as Buffer)).toBe(true);
    await client.quit();
  });

  test('passes on the end of a connection from either side', async () => {
    const caller = await call();
    caller.say('PING');
    await caller.hears('+PONG\r\n');
    expect(await connectedClients()).toBe(2);
    caller.socket.end();
    await expect.poll(connectedClients).toBe(1);

    const other = await call();
    other.say('QUIT');
    await expect.poll(() => other.events).toEqual(['end', 'close']);
  });

  test('resets its clients when no server is behind it', async () => {
    const lost = await startServer();
    const inFront = await startProxy(lost.port);
    await lost.stop();
    const caller = await call(inFront.port);
    await expect.poll(() => caller.events).toEqual(['ECONNRESET', 'close']);
    await inFront.stop();
  });
});

test('reset ends all connections with a reset, the dark ones too, and new ones work', async () => {
  const caller = await call();
  caller.say('PING');
  await caller.hears('+PONG\r\n');
  fixture.proxy.drop();
  const dark = await call();
  fixture.proxy.heal();
  fixture.proxy.reset();
  await expect
    .poll(() => [caller.events, dark.events])
    .toEqual([
      ['ECONNRESET', 'close'],
      ['ECONNRESET', 'close'],
    ]);
  await expect.poll(connectedClients).toBe(1);
  const next = await call();
  next.say('PING');
  await next.hears('+PONG\r\n');
});

test('refuse turns new connections away and leaves open ones alone, until accept', async () => {
  const caller = await call();
  caller.say('PING');
  await caller.hears('+PONG\r\n');
  await fixture.proxy.refuse();
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  caller.say('ECHO x');
  await caller.hears('+PONG\r\n$1\r\nx\r\n');

  await fixture.proxy.accept();
  const next = await call();
  next.say('PING');
  await next.hears('+PONG\r\n');
});

test('stop ends all connections and leaves nothing listening', async () => {
  const caller = await call();
  await fixture.proxy.stop();
  await expect.poll(() => caller.events).toEqual(['ECONNRESET', 'close']);
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
