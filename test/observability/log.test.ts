import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, describe, expect, inject, it, vi } from 'vitest';
import { LOG_LEVELS } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { prettyPrint } from '../../lib/log/pretty.ts';
import type { Operation } from '../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { Client } from '../http/client.ts';
import { startService } from '../http/service.ts';
import { freePort, LOOPBACK } from '../support/engines/ports.ts';
import { IMPATIENT } from '../support/patience.ts';
import { type Line, linesOf } from './emf.ts';

const functions: LambdaFunction[] = [];
afterAll(async () => {
  await Promise.all(functions.splice(0).map((started) => started.stop()));
});

/** The functions that `logOf` has started. */
const shared = new Map<Operation, LambdaFunction>();

/** Invokes a function, which runs since its first call, with each request. @returns the lines of its log */
async function logOf(operation: Operation, ...requests: ApiRequest[]): Promise<Line[]> {
  const started = shared.get(operation) ?? (await start(operation, { DRAGONFLY_URL: inject('singleUrl') }));
  shared.set(operation, started);
  return invoked(started, operation, requests);
}

/** Starts a function and invokes it with each request. @returns the lines of its log */
async function logWith(
  operation: Operation,
  settings: Record<string, string>,
  ...requests: ApiRequest[]
): Promise<Line[]> {
  return invoked(await start(operation, settings), operation, requests);
}

async function start(operation: Operation, settings: Record<string, string>): Promise<LambdaFunction> {
  const started = await startFunction(operation, settings);
  functions.push(started);
  return started;
}

async function invoked(
  started: LambdaFunction,
  operation: Operation,
  requests: ApiRequest[],
): Promise<Line[]> {
  const before = started.output().length;
  for (const request of requests) await started.invoke(eventFor(operation, request));
  return linesOf(started.output().slice(before));
}

const tenant = `log-${randomUUID()}`;
const headers = { 'X-Tenant-ID': tenant, 'X-Correlation-ID': 'chain' };

describe('the log line of a request', () => {
  it('contains cold_start on Lambda, true for the first request of a sandbox, and does not contain it elsewhere', async () => {
    const get = { headers, parameters: { key: 'k' } };
    const settings = { DRAGONFLY_URL: inject('singleUrl') };
    const lines = await logWith('get', settings, get, { headers, query: 'key=%' }, get);
    expect(lines.map(({ cold_start }) => cold_start)).toEqual([true, false, false]);
    expect(lines[0]).toMatchObject({ init_ms: expect.any(Number), rss_mb: expect.any(Number) });
    expect(lines[0]?.rss_mb).toBeGreaterThan(20);
    for (const line of lines.slice(1)) {
      expect(line).not.toHaveProperty('init_ms');
      expect(line).not.toHaveProperty('rss_mb');
    }

    const service = await startService(settings);
    await new Client(service).get('k');
    await service.stop();
    expect(linesOf(service.stdout())).toEqual([
      expect.not.objectContaining({ cold_start: expect.anything() }),
    ]);
  });

  it('contains a request id only if the caller has sent it', async () => {
    const get = (more: Record<string, string>) => ({
      headers: { ...headers, ...more },
      parameters: { key: 'k' },
    });
    const lines = await logOf('get', get({ 'X-Request-ID': 'link-1' }), get({}));
    expect(lines.map(({ request_id }) => request_id)).toEqual(['link-1', undefined]);
    expect(lines.map(({ correlation_id }) => correlation_id)).toEqual(['chain', 'chain']);
  });

  it('contains the request id of the API Gateway', async () => {
    const started = await start('get', { DRAGONFLY_URL: inject('singleUrl') });
    const event = eventFor('get', { headers, parameters: { key: 'k' } });
    await started.invoke(event);
    expect(linesOf(started.output()).map((line) => line.gateway_request_id)).toEqual([
      event.requestContext.requestId,
    ]);
  });

  it('contains the length of the values that were read or set, in bytes of UTF-8', async () => {
    const bytesOf = async (operation: Operation, ...requests: ApiRequest[]) =>
      (await logOf(operation, ...requests)).map(({ bytes }) => bytes);
    const body = '{"key":"k","value": "é漢🎈" }';
    const long = `{"key":"long","value":"${'é'.repeat(5000)}"}`;
    const items = '{"items":[{"key":"a","value":1.0},{"key":"b","value":[1, 2]},{"key":"a","value":null}]}';
    const get = (key: string) => ({ headers, parameters: { key } });
    expect(await bytesOf('set', { headers, body }, { headers, body: long })).toEqual([11, 10_002]);
    expect(await bytesOf('get', get('k'), get('long'), get('absent'))).toEqual([11, 10_002, undefined]);
    expect(await bytesOf('batch-set', { headers, body: items })).toEqual([13]);
    const keys = { headers, body: { keys: ['a', 'absent', 'b'] } };
    expect(await bytesOf('batch-get', keys)).toEqual([10]);
  });

  it('contains the code of a failure, and the number of entries that a clear removed', async () => {
    const [failed] = await logOf('get', { headers, query: 'key=a&key=b' });
    expect(failed).toMatchObject({ level: 'INFO', status: 400, code: 'VALIDATION_ERROR' });
    await logOf('set', { headers, body: { key: 'a', value: 1 } });
    const clear = { headers, parameters: { tenant_id: tenant } };
    const counts = (await logOf('clear-tenant', clear, clear)).map(({ count }) => count);
    expect(counts[0]).toBeGreaterThanOrEqual(1);
    expect(counts[1]).toBe(0);
  });
});

describe('the log line of a list of keys', () => {
  it('contains the number of keys in the page, and neither the query nor a key', async () => {
    const own = { 'X-Tenant-ID': `log-${randomUUID()}` };
    const items = ['secret:1', 'secret:2', 'secret:3'].map((key) => ({ key, value: 1, tags: ['secret'] }));
    await logOf('batch-set', { headers: own, body: { items } });
    const list = (query: string) => ({ headers: own, parameters: { tenant_id: own['X-Tenant-ID'] }, query });
    const lines = await logOf(
      'keys',
      list('limit=2'),
      list('tag=secret'),
      list('pattern=secret'),
      list('tag='),
    );
    expect(lines.map(({ status, keys }) => [status, keys])).toEqual([
      [200, 2],
      [200, 3],
      [200, 0],
      [400, undefined],
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });
});

describe('every log line about a request', () => {
  it.each([
    ['get', { headers, parameters: { key: 'k' } }, 'BACKEND_UNAVAILABLE'],
    ['health', { headers }, 'health'],
  ] as const)(
    'contains its correlation id: %s with an unreachable backend',
    async (operation, request, message) => {
      const away = { ...IMPATIENT, DRAGONFLY_URL: `redis://${LOOPBACK}:${await freePort()}` };
      const lines = await logWith(operation, away, request);
      const about = lines.filter((line) => line.message === message || line.message === 'request');
      expect(about.map((line) => [line.message, line.correlation_id])).toEqual([
        [message, 'chain'],
        ['request', 'chain'],
      ]);
    },
  );
});

describe('the log on a terminal', () => {
  const written: string[] = [];
  const log = createLog({ logLevel: 'DEBUG', serviceName: 's' }, (line) => written.push(line));
  afterEach(() => {
    written.length = 0;
  });

  it('has one line for each entry, with the time, the level, the message and the other fields', () => {
    log.info('request', { operation: 'get', tenant: 'acme', found: true, ms: 1.25, nothing: undefined });
    log.warn('backend connection', { error: 'connect ECONNREFUSED 127.0.0.1:6379' });
    const [first, second, ...others] = prettyPrint(written.join('')).split('\n');
    expect(first).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}request operation=get tenant=acme found=true ms=1\.25$/,
    );
    expect(second).toMatch(/^\S+ WARN {2}backend connection error="connect ECONNREFUSED 127\.0\.0\.1:6379"$/);
    expect(others).toEqual(['']);
  });

  it('quotes values with white space, quotes or line breaks', () => {
    log.info('request', { user: 'a b', chain: 'x="y"', line: 'two\nlines', list: [1, 'é'], none: null });
    expect(prettyPrint(written.join(''))).toMatch(
      / INFO {2}request user="a b" chain="x=\\"y\\"" line="two\\nlines" list=\[1,"é"\] none=null\n$/,
    );
  });

  it('prints the stacks of an error and of its cause below the line', () => {
    log.error('INTERNAL_SERVER_ERROR', {
      correlation_id: 'chain',
      cause: new Error('outer', { cause: new TypeError('inner') }),
    });
    const lines = prettyPrint(written.join('')).trimEnd().split('\n');
    expect(lines[0]).toMatch(/ ERROR INTERNAL_SERVER_ERROR correlation_id=chain cause=outer$/);
    expect(lines[1]).toBe('    Error: outer');
    expect(lines).toContain('    TypeError: inner');
    for (const line of lines.slice(1)) expect(line).toMatch(/^ {4}/);
  });

  it('omits the fields of the embedded metric format', () => {
    log.info('request', { operation: 'get', _aws: { Timestamp: 1, CloudWatchMetrics: [] } });
    expect(prettyPrint(written.join(''))).toMatch(/ INFO {2}request operation=get\n$/);
  });
});

it.each(LOG_LEVELS)(
  'a log at level %s drops the lines below that level, and ignores the log level of Lambda',
  (logLevel) => {
    const written: string[] = [];
    vi.stubEnv('AWS_LAMBDA_LOG_LEVEL', logLevel === 'WARN' ? 'TRACE' : 'WARN');
    try {
      const log = createLog({ logLevel, serviceName: 's' }, (line) => written.push(line));
      log.info('info');
      log.warn('warn');
      log.error('error');
    } finally {
      vi.unstubAllEnvs();
    }
    const expected = ['INFO', 'WARN', 'ERROR'].slice(Math.max(0, LOG_LEVELS.indexOf(logLevel) - 1));
    expect(written.map((line) => JSON.parse(line).level)).toEqual(expected);
  },
);

it('a line for an error contains its name, message, stack and cause, and no members that ioredis adds', () => {
  const written: string[] = [];
  const cause = Object.assign(new TypeError('inner'), { command: { name: 'set', args: ['secret'] } });
  const error = Object.assign(new Error('outer', { cause }), { args: ['secret'] });
  createLog({ logLevel: 'INFO', serviceName: 's' }, (line) => written.push(line)).error('failed', {
    cause: error,
  });
  expect(JSON.parse(written[0] ?? '').cause).toEqual({
    name: 'Error',
    message: 'outer',
    stack: error.stack,
    cause: { name: 'TypeError', message: 'inner', stack: cause.stack },
  });
});

it.each([
  ['an object that refers to itself', () => Object.assign({}, { self: null }) as Record<string, unknown>],
  ['a BigInt', () => 1n],
])('a line is written even if its cause is %s', (_, create) => {
  const written: string[] = [];
  const cause = create();
  if (typeof cause === 'object') cause.self = cause;
  createLog({ logLevel: 'INFO', serviceName: 's' }, (line) => written.push(line)).error('failed', { cause });
  expect(JSON.parse(written[0] ?? '')).toMatchObject({ level: 'ERROR', message: 'failed' });
});

it.each([
  ['Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1', true],
  ['Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0', false],
  ['Root=1-5759e988-bd862e3fe1be46a994272793', false],
])('a line contains the X-Ray trace id only if the trace is sampled: %s', (trace, isSampled) => {
  const written: string[] = [];
  vi.stubEnv('_X_AMZN_TRACE_ID', trace);
  try {
    createLog({ logLevel: 'INFO', serviceName: 's' }, (line) => written.push(line)).info('request');
  } finally {
    vi.unstubAllEnvs();
  }
  const id = isSampled ? '1-5759e988-bd862e3fe1be46a994272793' : undefined;
  expect(written.map((line) => JSON.parse(line).xray_trace_id)).toEqual([id]);
});
