import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { A_WHILE_MS, proxyFixture } from './proxy-fixture.ts';

const fixture = proxyFixture();
const { call, connectedClients, blockedClients } = fixture;

describe('dropAnswers', () => {
  test('lets requests arrive and swallows their answers, on new connections too, until heal', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    fixture.proxy.dropAnswers();
    const made = await call();
    old.say('SET by-old yes');
    made.say('SET by-made yes');
    await expect.poll(() => fixture.direct.exists('by-old', 'by-made')).toBe(2);
    fixture.proxy.heal();
    const fresh = await call();
    for (const caller of [old, made, fresh]) caller.say('PING');
    await fresh.hears('+PONG\r\n');
    await sleep(A_WHILE_MS);
    expect([old.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(old.events.concat(made.events)).toEqual([]);
  });
});

describe('drop', () => {
  test('swallows everything without an end that either side could notice', async () => {
    const caller = await call();
    caller.say('PING');
    await caller.hears('+PONG\r\n');
    fixture.proxy.drop();
    caller.say('SET dark yes');
    const made = await call();
    made.say('SET dark yes');
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

  test('swallows any amount', async () => {
    const caller = await call();
    fixture.proxy.drop();
    caller.socket.write(Buffer.alloc(32_000_000, 'x'));
    await expect.poll(() => caller.socket.writableLength).toBe(0);
    expect(caller.events).toEqual([]);
  });

  test('swallows the answer to a request that had arrived', async () => {
    const caller = await call();
    caller.say('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    fixture.proxy.drop();
    await fixture.direct.rpush('queue', 'x');
    await sleep(A_WHILE_MS);
    expect(caller.received()).toBe('');
    expect(caller.events).toEqual([]);
  });

  test('forgets what was held', async () => {
    fixture.proxy.hold();
    const caller = await call();
    caller.say('SET held yes');
    await sleep(A_WHILE_MS);
    fixture.proxy.drop();
    fixture.proxy.release();
    await sleep(A_WHILE_MS);
    expect(await fixture.direct.exists('held')).toBe(0);
  });

  test('is over for new connections after heal, and never for the dark ones', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    fixture.proxy.drop();
    const made = await call();
    fixture.proxy.heal();
    const fresh = await call();
    for (const caller of [old, made, fresh]) caller.say('PING');
    await fresh.hears('+PONG\r\n');
    await sleep(A_WHILE_MS);
    expect([old.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(old.events.concat(made.events)).toEqual([]);
  });
});
