import { expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createRequestContext } from '../../lib/http/request.ts';
import { createLog } from '../../lib/log/log.ts';
import { RequestLog } from '../../lib/observability/request-log.ts';
import type { RequestContext } from '../../lib/request-context.ts';
import type { Operation } from '../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../bundles/events.ts';
import { type Line, linesOf } from './emf.ts';

interface Given extends Partial<Pick<RequestContext, 'backendTimesMs' | 'counters' | 'logFields'>> {
  operation?: Operation;
  status?: number;
  durationMs?: number;
  /** Time since the request before. */
  afterMs?: number;
  /** What chance says: it is logged if this is below the sample. */
  random?: number;
}

const REQUESTS: Partial<Record<Operation, ApiRequest>> = { get: { parameters: { key: 'k' } } };

/** The lines that a sandbox writes for its requests. */
function linesFor(settings: Record<string, string>, requests: Given[]): Line[] {
  const config = readConfig({
    AWS_LAMBDA_FUNCTION_NAME: 'get',
    METRICS_NAMESPACE: 'CacheService/test',
    ...settings,
  });
  let [nowMonotonicMs, random, output] = [0, 0, ''];
  const write = (line: string) => {
    output += line;
  };
  const requestLog = new RequestLog(config, createLog(config, write), write, {
    monotonicMs: () => nowMonotonicMs,
    epochMs: () => 1e12 + nowMonotonicMs,
    random: () => random,
  });
  for (const { operation = 'get', status = 200, durationMs = 4, afterMs = 10, ...given } of requests) {
    nowMonotonicMs += afterMs;
    random = given.random ?? 0.999;
    const event = eventFor(operation, REQUESTS[operation] ?? {});
    const { backendTimesMs = [], counters = {}, logFields = {} } = given;
    const startedMonotonicMs = nowMonotonicMs - durationMs;
    const request = createRequestContext(operation, event, undefined, config.backendTimeoutMs);
    requestLog.write({ ...request, startedMonotonicMs, backendTimesMs, counters, logFields }, status);
  }
  return linesOf(output);
}

const isRequest = ({ message }: Line) => message === 'request';
const first: Given = { random: 0.999, counters: { misses: 1 } };
const hit: Given = { counters: { hits: 1 } };

test('every request has a line without REQUEST_LOG_SAMPLE, and none has a weight', () => {
  const lines = linesFor({}, [first, hit, hit]);
  expect(lines.filter(isRequest)).toHaveLength(3);
  for (const line of lines) expect(line).not.toHaveProperty('sample_weight');
});

test.each<[string, Given]>([
  ['a failure', { status: 503, logFields: { code: 'BACKEND_UNAVAILABLE' } }],
  ['a slow request', { durationMs: 500 }],
  ['an invalidation', { operation: 'invalidate', logFields: { count: 3 } }],
])('%s has a line with REQUEST_LOG_SAMPLE=0, as has the first request of a sandbox', (_, given) => {
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [first, hit, given, hit]).filter(isRequest);
  expect(lines.map(({ message, cold_start }) => [message, cold_start])).toEqual([
    ['request', true],
    ['request', false],
  ]);
  for (const line of lines) expect(line).not.toHaveProperty('sample_weight');
});

test('a request that is chosen has a line with its weight, and the metrics of those before it have a line of their own', () => {
  const batch: Given = { counters: { hits: 3, misses: 1 }, logFields: { bytes: 70 }, durationMs: 6 };
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0.05' }, [first, hit, batch, { ...hit, random: 0.049 }, hit]);
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatchObject({ operation: 'get', Hits: 4, Misses: 1, Latency: [4, 6], ValueBytes: 70 });
  // The line of a request names a tenant, to whom the others may not belong.
  for (const name of ['message', 'tenant', 'code']) expect(lines[1]).not.toHaveProperty(name);
  expect(lines[2]).toMatchObject({ message: 'request', sample_weight: 20, Hits: 1, Latency: 4 });
});

test.each([0.05, 0.3, 0.4, 0.67, 0.7, 0.9])(
  'the weights of the lines with a sample of %d add up to the requests',
  (sample) => {
    const many = Array.from({ length: 1000 }, (_, index) => ({ ...hit, random: index / 1000 }));
    const lines = linesFor({ REQUEST_LOG_SAMPLE: String(sample) }, [first, ...many])
      .filter(isRequest)
      .slice(1);
    const weights = lines.map(({ sample_weight }) => Number(sample_weight));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    expect(Math.abs(sum - many.length)).toBeLessThanOrEqual(2);
  },
);

test('the local server, whose requests have many operations, gathers no metrics', () => {
  const settings = { REQUEST_LOG_SAMPLE: '0', AWS_LAMBDA_FUNCTION_NAME: '' };
  const lines = linesFor(settings, [first, hit, { operation: 'set', counters: { sets: 1 } }, hit]);
  expect(lines.slice(1).map(({ operation, Latency }) => [operation, Latency])).toEqual([
    ['get', 4],
    ['set', 4],
    ['get', 4],
  ]);
});

test('metrics are written alone if a second has passed without a line, with the dimensions of the function', () => {
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [first, { ...hit, afterMs: 1000 }, hit, hit]);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ service: 'cache-service', operation: 'get', Hits: 2, Latency: [4, 4] });
  expect(lines[1]).not.toHaveProperty('message');
});

test('metrics are written before there are more of them than CloudWatch reads, and none is lost', () => {
  const requests = Array.from({ length: 250 }, () => ({ ...hit, afterMs: 1, backendTimesMs: [1, 2, 3] }));
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [
    first,
    ...requests,
    { ...hit, random: 0, status: 404 },
  ]);
  const sum = (of: (line: Line) => number) => lines.reduce((total, line) => total + of(line), 0);
  expect(sum(({ Hits = 0 }) => Number(Hits))).toBe(251);
  expect(sum(({ BackendTime = [] }) => [BackendTime].flat().length)).toBe(750);
  for (const { BackendTime = [] } of lines) expect([BackendTime].flat().length).toBeLessThanOrEqual(100);
});
