import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { ROOT_CONTEXT, type Tracer } from '@opentelemetry/api';
import { TracerProvider } from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../lib/log/log.ts';
import { Exporter } from '../../../lib/observability/otel/exporter.ts';
import { Sender } from '../../../lib/observability/otel/sender.ts';
import { SpanQueue } from '../../../lib/observability/otel/span-queue.ts';
import { startProxy } from '../../faults/proxy.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** Long for what a machine that is not frozen does, in milliseconds. */
const LONG_MS = 10_000;

let receiver: Receiver;
let exporter: Exporter;
let tracer: Tracer;
let lines: { level: string; message: string; error?: string; dropped?: number }[];

const end = (name: string) => tracer.startSpan(name, {}, ROOT_CONTEXT).end();
const arrived = () => receiver.spans.map(({ name }) => name);
const posts = () => receiver.received.length;

async function build(url: string, timeoutMs = LONG_MS): Promise<void> {
  lines = [];
  const queue = new SpanQueue();
  const log = createLog({ logLevel: 'INFO', serviceName: 'test' }, (line) => lines.push(JSON.parse(line)));
  exporter = new Exporter(queue, await Sender.open({ url: `${url}/v1/traces`, headers: {}, timeoutMs }), log);
  tracer = new TracerProvider({ spanProcessors: [queue] }).getTracer('test');
}

beforeEach(async () => {
  receiver = await startReceiver();
  await build(receiver.url);
});
afterEach(async () => {
  exporter.close();
  await receiver.stop();
});

describe('the exporter', () => {
  it('sends what has gathered, in parcels, over one connection', async () => {
    await exporter.flush(LONG_MS);
    expect(posts()).toBe(0);
    for (let index = 0; index < 1100; index++) end(`span-${index}`);
    await exporter.flush(LONG_MS);
    expect(arrived()).toEqual(Array.from({ length: 1100 }, (_, index) => `span-${index}`));
    end('one more');
    await exporter.flush(LONG_MS);
    expect([posts(), receiver.connections, lines]).toEqual([4, 1, []]);
  });

  it('finds a collector again that closed the connection while it was idle', async () => {
    end('before');
    await exporter.flush(LONG_MS);
    await receiver.down();
    await receiver.up();
    end('after');
    await exporter.flush(LONG_MS, true);
    await exporter.flush(LONG_MS, true);
    expect(arrived()).toEqual(['before', 'after']);
  });

  it('keeps what a collector that is away does not take, and tells once that it is away and once that it is back', async () => {
    await receiver.down();
    for (const name of ['first', 'second', 'third']) {
      end(name);
      await exporter.flush(LONG_MS, true);
    }
    expect(lines).toEqual([
      expect.objectContaining({
        level: 'WARN',
        message: expect.stringContaining('traces'),
        error: 'ECONNREFUSED',
      }),
    ]);
    await receiver.up();
    await exporter.flush(LONG_MS, true);
    expect(arrived()).toEqual(['first', 'second', 'third']);
    expect(lines[1]).toMatchObject({ level: 'INFO', dropped: 0 });
    expect(lines).toHaveLength(2);
  });

  it('leaves a collector that is away alone for a while', async () => {
    receiver.answerWith(503, { 'retry-after': '30' });
    end('kept');
    for (let time = 0; time < 5; time++) await exporter.flush(LONG_MS);
    expect(posts()).toBe(1);
    receiver.answerWith(200);
    // At the end of the process there is no other time to ask.
    await exporter.flush(LONG_MS, true);
    expect(arrived()).toEqual(['kept']);
  });

  it.each([
    ['a second, of one that does not say for how long', {}, 1],
    ['as long as it says', { 'retry-after': '30' }, 30],
    ['a minute at most', { 'retry-after': '3600' }, 60],
  ])('leaves it alone for %s', async (_, headers, seconds) => {
    const begun = Date.now();
    vi.useFakeTimers({ now: begun, toFake: ['Date'] });
    try {
      receiver.answerWith(503, headers);
      end('kept');
      await exporter.flush(LONG_MS);
      vi.setSystemTime(begun + seconds * 1000 - 1);
      await exporter.flush(LONG_MS);
      expect(posts()).toBe(1);
      vi.setSystemTime(begun + seconds * 1000);
      await exporter.flush(LONG_MS);
      expect(posts()).toBe(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it.each([
    [49, 1],
    [51, 2],
  ])('after a pause of %d seconds has made %d connections', async (seconds, connections) => {
    const begun = Date.now();
    vi.useFakeTimers({ now: begun, toFake: ['Date'] });
    try {
      end('before');
      await exporter.flush(LONG_MS);
      vi.setSystemTime(begun + seconds * 1000);
      end('after');
      await exporter.flush(LONG_MS);
      expect([arrived(), receiver.connections]).toEqual([['before', 'after'], connections]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('tells once that spans come faster than they can be sent, and how many were dropped when that is over', async () => {
    receiver.slow(300);
    const endMany = (count: number) => {
      for (let index = 0; index < count; index++) end('span');
    };
    endMany(2048 + 1);
    const flushed = exporter.flush(LONG_MS);
    for (let parcel = 1; parcel <= 3; parcel++) {
      await expect.poll(posts).toBe(parcel);
      endMany(512 + 10);
    }
    await flushed;
    expect(arrived()).toHaveLength(2048 + 3 * 512);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'WARN', message: expect.stringContaining('faster') }),
      expect.objectContaining({ level: 'INFO', dropped: 31 }),
    ]);
  });

  it.each([400, 401, 404, 500])('does not send again what was answered with %i', async (status) => {
    receiver.answerWith(status);
    end('refused');
    await exporter.flush(LONG_MS);
    expect(lines).toEqual([
      expect.objectContaining({ level: 'WARN', error: `status ${status}`, dropped: 1 }),
    ]);
    receiver.answerWith(200);
    end('next');
    await exporter.flush(LONG_MS, true);
    expect(arrived()).toEqual(['next']);
    expect(lines[1]).toMatchObject({ level: 'INFO', dropped: 1 });
  });

  it('keeps 2,048 spans and the parcel that did not arrive at most, and counts what it drops', async () => {
    await receiver.down();
    for (let index = 0; index < 512; index++) end('parcel');
    await exporter.flush(LONG_MS);
    for (let index = 0; index < 5000; index++) end(`span-${index}`);
    await receiver.up();
    await exporter.flush(LONG_MS, true);
    expect(arrived()).toHaveLength(512 + 2048);
    expect(arrived().at(-1)).toBe('span-2047');
    const dropped = lines.reduce((sum, line) => sum + (line.dropped ?? 0), 0);
    expect(dropped).toBe(5000 - 2048);
  });

  it('waits no longer for a collector that is dark than it is told to, three times, and then not at all', async () => {
    const proxy = await startProxy(receiver.port);
    try {
      await build(`http://127.0.0.1:${proxy.port}`);
      proxy.drop();
      const waits: number[] = [];
      for (let time = 0; time < 6; time++) {
        end(`span-${time}`);
        const began = performance.now();
        await exporter.flush(50);
        waits.push(performance.now() - began);
      }
      // A wait of 50 ms may be cut to just under it by rounding, and one of none is over at once, if the machine is not busy.
      for (const wait of waits.slice(0, 3)) expect(wait).toBeGreaterThan(45);
      for (const wait of waits) expect(wait).toBeLessThan(LONG_MS / 2);
      expect(Math.min(...waits.slice(3))).toBeLessThan(40);
      expect(lines).toEqual([
        expect.objectContaining({ level: 'WARN', error: 'no answer within 50 ms, 3 times' }),
      ]);
    } finally {
      await proxy.stop();
    }
  });

  it('gives up a request that is not answered, and goes on over a new connection', async () => {
    const proxy = await startProxy(receiver.port);
    try {
      await build(`http://127.0.0.1:${proxy.port}`, 200);
      end('before');
      await exporter.flush(LONG_MS);
      proxy.drop();
      end('lost');
      await exporter.flush(LONG_MS, true);
      proxy.heal();
      end('after');
      await exporter.flush(LONG_MS, true);
      expect(arrived()).toEqual(['before', 'after']);
      expect(lines.map(({ level, dropped }) => [level, dropped])).toEqual([
        ['WARN', 1],
        ['INFO', 1],
      ]);
    } finally {
      await proxy.stop();
    }
  });

  it('keeps no process alive, also while it waits for an answer', async () => {
    const proxy = await startProxy(receiver.port);
    try {
      proxy.drop();
      const from = (path: string) =>
        JSON.stringify(import.meta.resolve(`../../../lib/observability/${path}`));
      const code = `
        const { start } = await import(${from('otel/start.ts')});
        const { requestTraces } = await import(${from('tracing-channels.ts')});
        const settings = { endpoint: 'http://127.0.0.1:${proxy.port}', headers: {}, share: 1, delta: false };
        const tell = () => {};
        const log = { debug: tell, info: tell, warn: tell, error: tell };
        await start({ serviceName: 'test', onLambda: false }, settings, log);
        const request = { operation: 'get', event: { headers: {} }, lambda: {}, counters: {}, logFields: {} };
        await requestTraces.tracePromise(async () => ({ statusCode: 200 }), { request });
        // By then the first spans are on their way.
        setTimeout(() => console.log('done'), 1500);`;
      const child = spawn(process.execPath, ['--input-type=module', '--eval', code], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const exited = once(child, 'exit');
      await once(child.stdout, 'data');
      const done = performance.now();
      expect(await exited).toEqual([0, null]);
      // A request is given up after five seconds, until when it would have kept the process.
      expect(performance.now() - done).toBeLessThan(3000);
    } finally {
      await proxy.stop();
    }
  });
});
