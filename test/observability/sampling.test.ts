import { expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createRequestContext } from '../../lib/http/request.ts';
import { createLog } from '../../lib/log/log.ts';
import { RequestLog } from '../../lib/observability/request-log.ts';
import type { RequestContext } from '../../lib/request-context.ts';
import type { Operation } from '../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../bundles/events.ts';
import { type Line, linesOf } from './emf.ts';

interface Given extends Partial<Pick<RequestContext, 'counters' | 'logFields'>> {
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
    random: () => random,
  });
  for (const { operation = 'get', status = 200, durationMs = 4, afterMs = 10, ...given } of requests) {
    nowMonotonicMs += afterMs;
    random = given.random ?? 0.999;
    const event = eventFor(operation, REQUESTS[operation] ?? {});
    const { counters = {}, logFields = {} } = given;
    const startedMonotonicMs = nowMonotonicMs - durationMs;
    const request = createRequestContext(operation, event, undefined, config.backendTimeoutMs);
    requestLog.write({ ...request, startedMonotonicMs, counters, logFields }, status);
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
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [first, hit, given, hit]);
  expect(lines.map(({ message, cold_start }) => [message, cold_start])).toEqual([
    ['request', true],
    ['request', false],
  ]);
  for (const line of lines) expect(line).not.toHaveProperty('sample_weight');
});

test('a request that is chosen has a line with its weight, and the metrics of those before it', () => {
  const batch: Given = { counters: { hits: 3, misses: 1 }, logFields: { bytes: 70 }, durationMs: 6 };
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0.05' }, [first, hit, batch, { ...hit, random: 0.049 }, hit]);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({
    message: 'request',
    sample_weight: 20,
    Hits: 5,
    Misses: 1,
    Latency: [4, 6, 4],
    ValueBytes: 70,
  });
});

test('metrics are written alone if a second has passed without a line, with the dimensions of the function', () => {
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [first, { ...hit, afterMs: 1000 }, hit, hit]);
  expect(lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ service: 'cache-service', operation: 'get', Hits: 2, Latency: [4, 4] });
  expect(lines[1]).not.toHaveProperty('message');
});

test('metrics are written before there are more of them than CloudWatch reads', () => {
  const lines = linesFor({ REQUEST_LOG_SAMPLE: '0' }, [
    first,
    ...Array.from({ length: 250 }, () => ({ ...hit, afterMs: 1 })),
  ]);
  expect(lines.slice(1).map(({ Hits }) => Hits)).toEqual([100, 100]);
  for (const { Latency } of lines.slice(1)) expect(Latency).toHaveLength(100);
});
