import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { A_WHILE_MS, proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, connectedClients, blockedClients } = fixture;

describe('dropResponses', () => {
  test('delivers requests and drops their responses, also on new connections, until heal', async () => {
    const old = await call();
    old.send('PING');
    await old.expectReceived('+PONG\r\n');
    fixture.proxy.dropResponses();
    const made = await call();
    old.send('SET by-old yes');
    made.send('SET by-made yes');
    await expect.poll(() => fixture.direct.exists('by-old', 'by-made')).toBe(2);
    fixture.proxy.heal();
    const fresh = await call();
    for (const caller of [old, made, fresh]) caller.send('PING');
    await fresh.expectReceived('+PONG\r\n');
    await sleep(A_WHILE_MS);
    expect([old.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(old.events.concat(made.events)).toEqual([]);
  });
});

describe('drop', () => {
  test('drops all bytes without closing the connection on either side', async () => {
    const caller = await call();
    caller.send('PING');
    await caller.expectReceived('+PONG\r\n');
    fixture.proxy.drop();
    caller.send('SET dark yes');
    const made = await call();
    made.send('SET dark yes');
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.exists('dark')).toBe(0);
    expect([caller.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(caller.events.concat(made.events)).toEqual([]);

    made.socket.end();
    caller.socket.destroy();
    await sleep(A_WHILE_MS);
    expect(made.events).toEqual([]);
    expect(await connectedClients()).toBe(2);
  });

  test('drops any amount of bytes', async () => {
    const caller = await call();
    fixture.proxy.drop();
    caller.socket.write(Buffer.alloc(32_000_000, 'x'));
    await expect.poll(() => caller.socket.writableLength).toBe(0);
    expect(caller.events).toEqual([]);
  });

  test('drops the response to a request that had arrived', async () => {
    const caller = await call();
    caller.send('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    fixture.proxy.drop();
    await fixture.direct.rpush('queue', 'x');
    await sleep(A_WHILE_MS);
    expect(caller.received()).toBe('');
    expect(caller.events).toEqual([]);
  });

  test('drops bytes that were held back', async () => {
    fixture.proxy.hold();
    const caller = await call();
    caller.send('SET held yes');
    await sleep(A_WHILE_MS);
    fixture.proxy.drop();
    fixture.proxy.release();
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.exists('held')).toBe(0);
  });

  test('ends for new connections after heal, and never for the silent ones', async () => {
    const old = await call();
    old.send('PING');
    await old.expectReceived('+PONG\r\n');
    fixture.proxy.drop();
    const made = await call();
    fixture.proxy.heal();
    const fresh = await call();
    for (const caller of [old, made, fresh]) caller.send('PING');
    await fresh.expectReceived('+PONG\r\n');
    await sleep(A_WHILE_MS);
    expect([old.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(old.events.concat(made.events)).toEqual([]);
  });
});
