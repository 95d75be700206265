import { setImmediate as nextLoopTurn } from 'node:timers/promises';
import { ROOT_CONTEXT, type Tracer } from '@opentelemetry/api';
import { defaultResource } from '@opentelemetry/resources';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../../../lib/log/log.ts';
import { createTelemetry, type Telemetry } from '../../../lib/observability/otel/export.ts';
import { type FaultProxy, startProxy } from '../../faults/proxy.ts';
import { LOOPBACK } from '../../support/engines/ports.ts';
import { type Receiver, startReceiver } from './receiver.ts';

let receiver: Receiver;
let proxy: FaultProxy | undefined;
let telemetry: Telemetry;
let tracer: Tracer;
let lines: { level: string; message: string; error?: string; dropped?: number }[];

const end = (name: string) => tracer.startSpan(name, {}, ROOT_CONTEXT).end();
const endMany = (count: number) => {
  for (let index = 0; index < count; index++) end(`span-${index}`);
};
const flush = () => telemetry.flush();
const arrived = () => receiver.spans.map(({ name }) => name);
const posts = () => receiver.received.length;
/** Waits until the spans have arrived. On a busy machine a flush may end, after 50 ms, before they are sent. */
async function untilArrived(...names: string[]): Promise<void> {
  await expect.poll(arrived).toEqual(names);
  // The receiver responds in the turn in which it accepts spans. The exporter reads the response in one of the next turns.
  for (let turn = 0; turn < 10; turn++) await nextLoopTurn();
}

async function create(onLambda: boolean, endpoint = receiver.url): Promise<void> {
  lines = [];
  const log = createLog({ logLevel: 'INFO', serviceName: 'test' }, (line) => lines.push(JSON.parse(line)));
  const settings = { endpoint, headers: { authorization: 'hunter2' }, share: 1, delta: false };
  telemetry = await createTelemetry(defaultResource(), onLambda, settings, log);
  tracer = telemetry.tracers.getTracer('test');
}

/** Stops the clock. `advance` moves it without running timers, like a freeze. */
function stopClock(): { advance(seconds: number): void } {
  const startEpochMs = Date.now();
  vi.useFakeTimers({ now: startEpochMs, toFake: ['Date'] });
  return { advance: (seconds) => vi.setSystemTime(startEpochMs + seconds * 1000) };
}

beforeEach(async () => {
  receiver = await startReceiver();
  await create(true);
});
afterEach(async () => {
  vi.useRealTimers();
  receiver.release();
  receiver.respondWith(200);
  // Stops before the receiver: the receiver of another test may get the same port, and must not receive these spans.
  await telemetry.stop();
  await proxy?.stop();
  proxy = undefined;
  await receiver.stop();
});

describe('a flush', () => {
  it('without spans sends nothing', async () => {
    await flush();
    expect(receiver.connections).toBe(0);
  });

  it('of 1,100 spans sends three batches in order over one connection', async () => {
    endMany(1100);
    await flush();
    await untilArrived(...Array.from({ length: 1100 }, (_, index) => `span-${index}`));
    expect(posts()).toBe(3);
    end('last');
    await expect.poll(() => flush().then(posts)).toBe(4);
    expect([receiver.connections, lines]).toEqual([1, []]);
  });

  it('ends before the collector has responded, and the export continues', async () => {
    receiver.hold();
    end('first');
    await flush();
    end('second');
    await flush();
    expect(arrived()).toEqual([]);
    receiver.release();
    await expect.poll(() => flush().then(arrived)).toEqual(['first', 'second']);
    expect(lines).toEqual([]);
  });

  it('during an export leaves the spans in the queue, and they are sent as one batch afterwards', async () => {
    const clock = stopClock();
    receiver.hold();
    for (const name of ['first', 'second', 'third']) {
      end(name);
      await flush();
    }
    receiver.release();
    receiver.hold();
    await expect.poll(posts).toBe(2);
    // After three flushes without a response in time, flushes do not wait for five seconds.
    clock.advance(5);
    for (const name of ['fourth', 'fifth']) {
      end(name);
      await flush();
    }
    receiver.release();
    await untilArrived('first', 'second', 'third', 'fourth', 'fifth');
    expect(posts()).toBe(3);
  });

  it('does not wait for five seconds after three flushes without a response in time', async () => {
    const clock = stopClock();
    receiver.hold();
    for (let time = 0; time < 3; time++) {
      end(`span-${time}`);
      await flush();
    }
    expect(lines).toEqual([
      expect.objectContaining({ level: 'WARN', error: 'no response within 50 ms, 3 times' }),
    ]);
    // No test code advances these timers, so that a flush that waits would not end.
    vi.useFakeTimers({ now: Date.now(), toFake: ['Date', 'setTimeout', 'clearTimeout'] });
    for (let time = 0; time < 3; time++) await flush();
    vi.useFakeTimers({ now: Date.now(), toFake: ['Date'] });
    receiver.release();
    await expect.poll(arrived).toEqual(['span-0']);
    clock.advance(4.999);
    await flush();
    end('span-3');
    clock.advance(5);
    await flush();
    await untilArrived('span-0', 'span-1', 'span-2', 'span-3');
    // If the flush at 4.999 s had exported, the last span would be in a separate batch.
    expect([posts(), lines.length]).toEqual([2, 1]);
  });
});

describe('a connection to the collector', () => {
  it('that the collector closed while idle is replaced, and no span is lost', async () => {
    end('before');
    await flush();
    await untilArrived('before');
    await receiver.down();
    await receiver.up();
    end('after');
    await flush();
    await untilArrived('before', 'after');
    expect(lines).toEqual([]);
  });

  it.each([
    [29, 1],
    [31, 2],
  ])(
    'that was idle for %d s, as in a freeze, leads to %d connections in total after the next flush',
    async (seconds, connections) => {
      const clock = stopClock();
      end('before');
      await flush();
      await untilArrived('before');
      clock.advance(seconds);
      end('after');
      await flush();
      await untilArrived('before', 'after');
      expect(receiver.connections).toBe(connections);
    },
  );

  it('that is lost silently before the response, as in a freeze, is replaced, and its spans are sent again', async () => {
    proxy = await startProxy(receiver.port);
    await create(true, `http://${LOOPBACK}:${proxy.port}`);
    const clock = stopClock();
    proxy.drop();
    end('under way');
    await flush();
    proxy.heal();
    clock.advance(31);
    await flush();
    await untilArrived('under way');
    expect(lines).toEqual([]);
  });

  it('is kept if the response arrived during a freeze', async () => {
    const clock = stopClock();
    receiver.hold();
    end('before');
    await flush();
    await expect.poll(posts).toBe(1);
    clock.advance(31);
    // The response is not read before the next flush checks the connection.
    receiver.release();
    end('after');
    await flush();
    await untilArrived('before', 'after');
    expect([posts(), receiver.connections]).toEqual([2, 1]);
  });
});

describe('a collector', () => {
  it('that is unreachable for a short time receives all spans afterwards, and no dropped span is logged', async () => {
    await receiver.down();
    end('first');
    await flush();
    end('second');
    await receiver.up();
    await expect.poll(() => flush().then(arrived)).toEqual(['first', 'second']);
    expect(lines.filter(({ dropped }) => dropped !== undefined)).toEqual([]);
  });

  it.each([
    [400, {}, 'status 400'],
    [401, {}, 'status 401'],
    [404, {}, 'status 404'],
    [500, {}, 'status 500'],
    [503, { 'retry-after': '3600' }, 'Export failed with retryable status'],
  ])(
    'that rejects spans with %i %j causes two log lines, with the reason and the number of dropped spans and without headers',
    async (status, headers, error) => {
      receiver.respondWith(status, headers);
      for (const name of ['rejected', 'rejected as well']) {
        end(name);
        const before = posts();
        await expect.poll(() => flush().then(posts)).toBe(before + 1);
        await expect.poll(() => lines.length).toBe(1);
      }
      expect(lines[0]).toMatchObject({ level: 'WARN', error, dropped: 1 });
      expect(lines[0]?.message).toContain('traces');
      receiver.respondWith(200);
      end('next');
      await flush();
      await expect.poll(() => lines.length).toBe(2);
      expect(lines[1]).toMatchObject({ level: 'INFO', dropped: 2 });
      expect(arrived()).toEqual(['next']);
      expect(JSON.stringify(lines)).not.toContain('hunter2');
    },
  );

  it('that rejects the background export of a server causes one log line without the response', async () => {
    await create(false);
    receiver.respondWith(401);
    for (let time = 1; time <= 2; time++) {
      end('rejected');
      await expect.poll(posts).toBe(time);
    }
    // The SDK has reported the first rejection by now.
    expect(lines).toEqual([expect.objectContaining({ level: 'WARN', error: 'status 401', dropped: 1 })]);
    expect(JSON.stringify(lines)).not.toContain('hunter2');
  });

  it('that is too slow causes a queue of 2,048 spans, and further spans are dropped and logged once', async () => {
    await create(false);
    for (let time = 1; time <= 2; time++) {
      receiver.spans.length = 0;
      receiver.received.length = 0;
      receiver.hold();
      endMany(512);
      await expect.poll(posts).toBe(1);
      endMany(2048 + 31);
      receiver.release();
      await expect.poll(() => arrived().length).toBe(512 + 2048);
      // The SDK reports dropped spans when the queue has room again.
      end('after');
      await expect.poll(() => arrived().at(-1)).toBe('after');
    }
    expect(lines).toEqual([
      expect.objectContaining({ level: 'WARN', error: expect.stringMatching(/dropped 31 spans/i) }),
    ]);
  });

  it('that does not respond does not prevent telemetry from stopping', async () => {
    await create(false);
    receiver.hold();
    end('last');
    await telemetry.stop();
    // The SDK would abort the export after ten seconds and report it: the stop did not wait for that.
    expect(lines).toEqual([]);
    expect(posts()).toBe(1);
  });
});
