import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { operations } from '../../../infra/build/functions.ts';
import { eventFor } from '../../bundles/events.ts';
import { bundlesDirectory, type LambdaFunction, startFunction } from '../../bundles/lambda.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { type DecodedSpan, SERVER } from './otlp.ts';
import { type Receiver, startReceiver } from './receiver.ts';

const running: { stop(): Promise<void> }[] = [];
let receiver: Receiver;
let engine: Server | undefined;

beforeEach(async () => {
  receiver = await startReceiver();
  running.push(receiver);
});
afterEach(async () => {
  for (const started of running.splice(0).reverse()) await started.stop();
});
afterAll(() => engine?.stop());

const telemetry = () => ({ ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });

async function sandbox(
  operation: 'get' | 'set',
  settings: Record<string, string> = telemetry(),
): Promise<LambdaFunction> {
  const started = await startFunction(operation, { LOG_LEVEL: 'WARN', ...settings });
  running.push(started);
  return started;
}

const getEvent = (correlationId: string) =>
  eventFor('get', {
    parameters: { key: 'secret-key' },
    headers: { 'X-Tenant-ID': 'tenant', 'X-Correlation-ID': correlationId },
  });

const serverSpan = (correlationId: string): DecodedSpan | undefined =>
  receiver.spans.find(({ attributes }) => attributes['cache.correlation_id'] === correlationId);

/** Invokes until a condition holds. Spans that a busy machine does not send within 50 ms are sent by a later invocation. */
async function invokeUntil(get: LambdaFunction, holds: () => unknown): Promise<void> {
  await expect
    .poll(async () => {
      if (!holds()) await get.invoke(getEvent('again'));
      return Boolean(holds());
    })
    .toBe(true);
}

describe('a function with OpenTelemetry enabled', () => {
  it('sends spans with its name, the invocation id and the cold start flag', async () => {
    const get = await sandbox('get');
    for (const name of ['first', 'second']) {
      expect(await get.invoke(getEvent(name))).toMatchObject({ statusCode: 200 });
    }
    await invokeUntil(get, () => serverSpan('first') && serverSpan('second'));
    const [first, second] = ['first', 'second'].map((name) => serverSpan(name) as DecodedSpan);
    expect(first).toMatchObject({
      name: 'GET /api/v1/cache/{key}',
      kind: SERVER,
      attributes: {
        'faas.coldstart': true,
        'faas.trigger': 'http',
        'url.scheme': 'https',
        'cache.tenant': 'tenant',
      },
      resource: {
        'cloud.provider': 'aws',
        'cloud.platform': 'aws_lambda',
        'cloud.region': 'eu-central-1',
        'faas.name': expect.stringMatching(/^get-/),
        'faas.version': '$LATEST',
        'faas.instance': expect.stringContaining('[$LATEST]'),
        'faas.max_memory': 1024 ** 3,
      },
    });
    expect(second?.attributes['faas.coldstart']).toBe(false);
    const ids = [first, second].map((span) => span?.attributes['faas.invocation_id']);
    expect(ids).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/), expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    expect(ids[0]).not.toBe(ids[1]);
    expect(receiver.problems).toEqual([]);
    expect(receiver.received.some(({ body }) => body.includes('secret-key'))).toBe(false);
  });

  it('sends the spans of most requests before it is frozen, over one connection', async () => {
    const get = await sandbox('get');
    await get.invoke(getEvent('warm'));
    await invokeUntil(get, () => serverSpan('warm'));
    let there = 0;
    for (let index = 0; index < 20; index++) {
      await get.invoke(getEvent(`there-${index}`));
      // The sandbox is frozen now.
      if (serverSpan(`there-${index}`)) there++;
    }
    expect(there).toBeGreaterThan(10);
    expect(receiver.connections).toBe(1);
  });

  it('reads the response of the collector after a freeze and loses no span', async () => {
    const get = await sandbox('get');
    receiver.hold();
    for (const name of ['first', 'second']) {
      expect(await get.invoke(getEvent(name))).toMatchObject({ statusCode: 200 });
    }
    // Three slow exports are logged. On a busy machine, those after the release may be slow, too.
    expect(get.output()).not.toContain('the collector');
    // The sandbox is frozen.
    receiver.release();
    await invokeUntil(get, () => serverSpan('first') && serverSpan('second'));
    const names = receiver.spans.map(({ attributes }) => attributes['cache.correlation_id']);
    expect(names.filter((name) => name === 'first')).toHaveLength(1);
    expect([receiver.connections, receiver.problems]).toEqual([1, []]);
  });

  it('continues the trace of its caller, with a child span per backend operation', async () => {
    engine ??= await startServer();
    const get = await sandbox('get', { ...telemetry(), DRAGONFLY_URL: engine.url });
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const event = getEvent('continued');
    event.headers.traceparent = `00-${trace}-00f067aa0ba902b7-01`;
    await get.invoke(event);
    await invokeUntil(get, () => serverSpan('continued'));
    const span = serverSpan('continued') as DecodedSpan;
    expect(span).toMatchObject({ traceId: trace, parentSpanId: '00f067aa0ba902b7' });
    const children = receiver.spans.filter(({ parentSpanId }) => parentSpanId === span.spanId);
    expect(children).toEqual([expect.objectContaining({ traceId: trace, status: { code: 0 } })]);
    // The commands that connect to the backend before the request belong to no trace.
    const roots = receiver.spans.filter(({ parentSpanId }) => parentSpanId === undefined);
    expect(roots.every(({ kind }) => kind === SERVER)).toBe(true);
  });

  it('sends the configured headers to the collector and does not log them', async () => {
    const headers = 'authorization=Bearer%20abc,x-scope=cache';
    const get = await sandbox('get', { ...telemetry(), OTEL_EXPORTER_OTLP_HEADERS: headers });
    await get.invoke(getEvent('headers'));
    await invokeUntil(get, () => receiver.received.length > 0);
    for (const one of receiver.received) {
      expect(one.headers).toMatchObject({
        authorization: 'Bearer abc',
        'x-scope': 'cache',
        'content-type': 'application/json',
      });
    }
    expect(get.output()).not.toContain('abc');
  });

  it('with a sampling ratio of 0 traces only the requests that their callers sampled', async () => {
    const get = await sandbox('get', { ...telemetry(), OTEL_TRACES_SAMPLER_ARG: '0' });
    await get.invoke(getEvent('of-its-own'));
    const event = getEvent('as-asked');
    event.headers.traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    await get.invoke(event);
    await invokeUntil(get, () => serverSpan('as-asked'));
    expect(receiver.spans.map(({ attributes }) => attributes['cache.correlation_id'])).toEqual(['as-asked']);
  });

  it('answers malformed events with 4xx or 5xx and continues to trace', async () => {
    const get = await sandbox('get');
    const odd = [{}, { headers: { traceparent: 7 } }, { headers: 'none', requestContext: 3 }, []];
    for (const event of odd) {
      expect((await get.invoke(event)).statusCode).toBeGreaterThanOrEqual(400);
    }
    await get.invoke(getEvent('after-all'));
    await invokeUntil(get, () => serverSpan('after-all'));
    expect(receiver.problems).toEqual([]);
    expect(get.output()).not.toContain('telemetry listener failed');
  });
});

describe('the metrics of a function', () => {
  it.each([
    ['cumulative', false],
    ['delta', true],
  ])('have %s temporality if it is configured, and no tenant attribute', async (preference, delta) => {
    const get = await sandbox('get', {
      ...telemetry(),
      OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: preference,
    });
    await get.invoke(getEvent('measured'));
    await invokeUntil(get, () => receiver.metrics.length > 0);
    const duration = receiver.metrics.find(({ name }) => name === 'http.server.request.duration');
    expect(duration).toMatchObject({ unit: 's', kind: 'histogram', delta });
    expect(duration?.points[0]).toMatchObject({
      attributes: {
        'http.request.method': 'GET',
        'http.route': '/api/v1/cache/{key}',
        'http.response.status_code': 200,
        'url.scheme': 'https',
      },
    });
    for (const { points } of receiver.metrics) {
      for (const { attributes } of points) expect(attributes).not.toHaveProperty('cache.tenant');
    }
  });

  it('contain the duration of backend operations', async () => {
    engine ??= await startServer();
    const get = await sandbox('get', { ...telemetry(), DRAGONFLY_URL: engine.url });
    await get.invoke(getEvent('measured'));
    await invokeUntil(get, () => receiver.metrics.some(({ name }) => name.startsWith('db.')));
    const calls = receiver.metrics.find(({ name }) => name === 'db.client.operation.duration');
    expect(calls).toMatchObject({ unit: 's', kind: 'histogram' });
    const [point] = calls?.points ?? [];
    expect(point?.attributes).toMatchObject({ 'db.system.name': 'redis' });
    expect(point?.sum).toBeGreaterThan(0);
    expect(point?.sum).toBeLessThan(30);
  });
});

describe('a function with OpenTelemetry disabled', () => {
  it('makes no connection to the collector', async () => {
    const get = await sandbox('get', { ...telemetry(), ENABLE_OTEL: 'false' });
    for (let time = 0; time < 3; time++) await get.invoke(getEvent('off'));
    expect(receiver.connections).toBe(0);
  });

  it('imports no file that contains the SDK', async () => {
    const outdir = await bundlesDirectory();
    const code = new Map<string, string>();
    for (const file of await readdir(outdir)) code.set(file, await readFile(join(outdir, file), 'utf8'));
    // The SDK adds this attribute to everything that it sends.
    const has = (file: string) => code.get(file)?.includes('telemetry.sdk.name') === true;
    expect([...code.keys()].filter(has)).toHaveLength(1);
    for (const name of operations) {
      const files = new Set([`${name}.mjs`]);
      for (const file of files) {
        for (const [, next = ''] of (code.get(file) ?? '').matchAll(
          /(?:\bfrom|\bimport)\s*"\.\/([\w-]+\.mjs)"/g,
        )) {
          files.add(next);
        }
      }
      expect(files.size, name).toBeGreaterThan(1);
      expect([...files].filter(has), name).toEqual([]);
    }
  });
});
