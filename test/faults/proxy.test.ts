import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { infoFields } from '../engines/inspect.ts';
import { LOOPBACK } from '../engines/ports.ts';
import { type Server, startServer } from '../engines/server.ts';
import { type FaultProxy, startProxy } from './proxy.ts';

/** Long enough for bytes to arrive that should not; no time is too long for this to hold. */
const A_WHILE_MS = 150;

let server: Server;
let direct: Redis;
let proxy: FaultProxy;
let open: Caller[];

beforeAll(async () => {
  server = await startServer();
  direct = new Redis(server.port, server.host);
});
afterAll(async () => {
  direct?.disconnect();
  await server?.stop();
});
beforeEach(async () => {
  proxy = await startProxy(server.port);
  open = [];
  await direct.flushall();
  // Those of the test before are gone, and only the one that looks on is left.
  await expect.poll(connectedClients).toBe(1);
});
afterEach(async () => {
  for (const { socket } of open) socket.destroy();
  await proxy.stop();
});

/** A bare connection that speaks the protocol's inline form, and sees every byte and every end. */
interface Caller {
  socket: Socket;
  /** All that came back so far. */
  received(): string;
  /** `end`, `close` and error codes, in order. */
  readonly events: string[];
  say(line: string): void;
  /** Waits until so much has come back. */
  hears(text: string): Promise<void>;
}

async function call(port = proxy.port): Promise<Caller> {
  const socket = connect({ port, host: LOOPBACK, noDelay: true });
  let received = '';
  const events: string[] = [];
  socket.on('data', (bytes) => {
    received += bytes;
  });
  socket.on('end', () => events.push('end'));
  socket.on('error', (error: NodeJS.ErrnoException) => events.push(error.code ?? error.message));
  socket.on('close', () => events.push('close'));
  const caller: Caller = {
    socket,
    received: () => received,
    events,
    say: (line) => socket.write(`${line}\r\n`),
    async hears(text) {
      await expect.poll(() => received).toBe(text);
    },
  };
  open.push(caller);
  await once(socket, 'connect');
  return caller;
}

const clients = async (which: string) => Number((await infoFields(direct, 'clients'))[`${which}_clients`]);
const connectedClients = () => clients('connected');
const blockedClients = () => clients('blocked');

describe('a proxy that was told nothing', () => {
  test('carries large values both ways unchanged', async () => {
    const client = new Redis(proxy.port, LOOPBACK);
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

describe('hold', () => {
  test('keeps requests back, and release passes them on in order', async () => {
    const early = await call();
    early.say('PING');
    await early.hears('+PONG\r\n');
    proxy.hold();
    const late = await call();
    early.say('RPUSH list 1');
    early.say('RPUSH list 2');
    late.say('SET late yes');
    await sleep(A_WHILE_MS);
    early.say('RPUSH list 3');
    expect(await direct.exists('list', 'late')).toBe(0);
    expect(early.events.concat(late.events)).toEqual([]);

    proxy.release();
    await early.hears('+PONG\r\n:1\r\n:2\r\n:3\r\n');
    await late.hears('+OK\r\n');
    expect(await direct.lrange('list', 0, -1)).toEqual(['1', '2', '3']);
  });

  test('lets answers to earlier requests through', async () => {
    const caller = await call();
    caller.say('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    proxy.hold();
    await direct.rpush('queue', 'x');
    await caller.hears('*2\r\n$5\r\nqueue\r\n$1\r\nx\r\n');
  });

  test.each([
    ['closed', (socket: Socket) => socket.destroy()],
    ['was reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('delivers on release what a client sent whose connection %s meanwhile', async (_, leave) => {
    proxy.hold();
    const caller = await call();
    caller.say('SET left yes');
    await sleep(A_WHILE_MS);
    leave(caller.socket);
    await sleep(A_WHILE_MS);
    expect(await direct.get('left')).toBeNull();
    proxy.release();
    await expect.poll(() => direct.get('left')).toBe('yes');
  });
});

describe('strand', () => {
  test('keeps back what comes on open connections, also from a client that has left, until release', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    proxy.strand();
    old.say('SET stranded old');
    const fresh = await call();
    fresh.say('SET stranded new');
    await fresh.hears('+OK\r\n');
    old.socket.destroy();
    await sleep(A_WHILE_MS);
    expect(await direct.get('stranded')).toBe('new');
    proxy.release();
    await expect.poll(() => direct.get('stranded')).toBe('old');
  });
});

describe('dropAnswers', () => {
  test('lets requests arrive and swallows their answers, on new connections too, until heal', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    proxy.dropAnswers();
    const made = await call();
    old.say('SET by-old yes');
    made.say('SET by-made yes');
    await expect.poll(() => direct.exists('by-old', 'by-made')).toBe(2);
    proxy.heal();
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
    proxy.drop();
    caller.say('SET dark yes');
    const made = await call();
    made.say('SET dark yes');
    await sleep(A_WHILE_MS);
    expect(await direct.exists('dark')).toBe(0);
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
    proxy.drop();
    caller.socket.write(Buffer.alloc(32_000_000, 'x'));
    await expect.poll(() => caller.socket.writableLength).toBe(0);
    expect(caller.events).toEqual([]);
  });

  test('swallows the answer to a request that had arrived', async () => {
    const caller = await call();
    caller.say('BLPOP queue 0');
    await expect.poll(blockedClients).toBe(1);
    proxy.drop();
    await direct.rpush('queue', 'x');
    await sleep(A_WHILE_MS);
    expect(caller.received()).toBe('');
    expect(caller.events).toEqual([]);
  });

  test('forgets what was held', async () => {
    proxy.hold();
    const caller = await call();
    caller.say('SET held yes');
    await sleep(A_WHILE_MS);
    proxy.drop();
    proxy.release();
    await sleep(A_WHILE_MS);
    expect(await direct.exists('held')).toBe(0);
  });

  test('is over for new connections after heal, and never for the dark ones', async () => {
    const old = await call();
    old.say('PING');
    await old.hears('+PONG\r\n');
    proxy.drop();
    const made = await call();
    proxy.heal();
    const fresh = await call();
    for (const caller of [old, made, fresh]) caller.say('PING');
    await fresh.hears('+PONG\r\n');
    await sleep(A_WHILE_MS);
    expect([old.received(), made.received()]).toEqual(['+PONG\r\n', '']);
    expect(old.events.concat(made.events)).toEqual([]);
  });
});

test('reset ends all connections with a reset, the dark ones too, and new ones work', async () => {
  const caller = await call();
  caller.say('PING');
  await caller.hears('+PONG\r\n');
  proxy.drop();
  const dark = await call();
  proxy.heal();
  proxy.reset();
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

test('delay adds its time to a round trip, and requests do not wait for each other', async () => {
  const caller = await call();
  proxy.delay(300);
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

  proxy.delay(0);
  caller.say('ECHO x');
  await caller.hears(`${'+PONG\r\n'.repeat(20)}$1\r\nx\r\n`);
});

test('throttle limits what a connection carries each way', async () => {
  const client = new Redis(proxy.port, LOOPBACK);
  await client.ping();
  proxy.throttle(200_000);
  const value = 'x'.repeat(100_000);
  const begin = performance.now();
  await client.set('slow', value);
  const set = performance.now();
  // Half a second, less the slice that may pass at once.
  expect(set - begin).toBeGreaterThanOrEqual(400);
  expect(await client.get('slow')).toBe(value);
  expect(performance.now() - set).toBeGreaterThanOrEqual(400);

  proxy.throttle(Number.POSITIVE_INFINITY);
  expect(await client.get('slow')).toBe(value);
  await client.quit();
});

test('refuse turns new connections away and leaves open ones alone, until accept', async () => {
  const caller = await call();
  caller.say('PING');
  await caller.hears('+PONG\r\n');
  await proxy.refuse();
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  caller.say('ECHO x');
  await caller.hears('+PONG\r\n$1\r\nx\r\n');

  await proxy.accept();
  const next = await call();
  next.say('PING');
  await next.hears('+PONG\r\n');
});

test('stop ends all connections and leaves nothing listening', async () => {
  const caller = await call();
  await proxy.stop();
  await expect.poll(() => caller.events).toEqual(['ECONNRESET', 'close']);
  await expect(call()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
