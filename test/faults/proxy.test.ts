import { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { LOOPBACK } from '../support/engines/ports.ts';
import { startServer } from '../support/engines/server.ts';
import { startProxy } from './proxy.ts';
import { proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, connectedClients } = fixture;

describe('a proxy without faults', () => {
  test('transmits large values unchanged in both directions', async () => {
    const client = new Redis(fixture.proxy.port, LOOPBACK);
    const value = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz0123456789');
    await client.set('large', value);
    expect(value.equals((await client.getBuffer('large')) as Buffer)).toBe(true);
    await client.quit();
  });

  test('forwards the close of a connection from either side', async () => {
    const caller = await call();
    caller.send('PING');
    await caller.expectReceived('+PONG\r\n');
    expect(await connectedClients()).toBe(2);
    caller.socket.end();
    await expect.poll(connectedClients).toBe(1);

    const other = await call();
    other.send('QUIT');
    await expect.poll(() => other.events).toEqual(['end', 'close']);
  });

  test('resets its clients when the server is unavailable', async () => {
    const lost = await startServer();
    const inFront = await startProxy(lost.port);
    await lost.stop();
    const caller = await call(inFront.port);
    await expect.poll(() => caller.events).toEqual(['ECONNRESET', 'close']);
    await inFront.stop();
  });
});

test('reset resets all connections, also silent ones, and new ones work', async () => {
  const caller = await call();
  caller.send('PING');
  await caller.expectReceived('+PONG\r\n');
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
  next.send('PING');
  await next.expectReceived('+PONG\r\n');
});

test('refuse rejects new connections until accept, and open ones keep working', async () => {
  const caller = await call();
  caller.send('PING');
  await caller.expectReceived('+PONG\r\n');
  await fixture.proxy.refuse();
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  caller.send('ECHO x');
  await caller.expectReceived('+PONG\r\n$1\r\nx\r\n');

  await fixture.proxy.accept();
  const next = await call();
  next.send('PING');
  await next.expectReceived('+PONG\r\n');
});

test('stop closes all connections and the listening port', async () => {
  const caller = await call();
  await fixture.proxy.stop();
  await expect.poll(() => caller.events).toEqual(['ECONNRESET', 'close']);
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
