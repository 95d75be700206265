import { randomUUID } from 'node:crypto';
import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, inject, it } from 'vitest';
import { operations } from '../../infra/build.ts';
import { DIMENSIONS, FAULT_CODES, LOG_METRICS } from '../../infra/metrics.ts';
import * as errors from '../../lib/errors.ts';
import type { Operation } from '../../lib/http/routes.ts';
import { eventFor } from '../bundles/events.ts';
import { startFunction } from '../bundles/lambda.ts';
import { freePort, LOOPBACK } from '../engines/ports.ts';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

interface Filter {
  FilterPattern: string;
  LogGroupName: { Ref: string };
  MetricTransformations: [
    { MetricName: string; MetricNamespace: string; Dimensions?: { Key: string; Value: string }[] },
  ];
}

type Line = Record<string, unknown>;

const { template } = synthesize(BACKENDS.memory);

const filtersOf = (from: Template, metric: string) =>
  (Object.values(resources(from, 'AWS::Logs::MetricFilter')) as unknown as Filter[]).filter(
    ({ MetricTransformations: [{ MetricName }] }) => MetricName === metric,
  );

/** Whether CloudWatch would count a line, as far as the patterns here go: comparisons of text, truth, `&&` and `||`. */
function counts(pattern: string, line: Line): boolean {
  const terms: boolean[] = [];
  const logic = pattern
    .replace(/\$\.(\w+) = "([^"]*)"/g, (_, field: string, text: string) => {
      const given = line[field];
      const matches = text.endsWith('*') ? String(given).startsWith(text.slice(0, -1)) : given === text;
      return `<${terms.push(typeof given === 'string' && matches) - 1}>`;
    })
    .replace(/\$\.(\w+) IS (TRUE|FALSE)/g, (_, field: string, wanted: string) => {
      return `<${terms.push(line[field] === (wanted === 'TRUE')) - 1}>`;
    });
  expect(logic).toMatch(/^\{[\s()&|<>\d]*\}$/);
  const js = logic.slice(1, -1).replace(/<(\d+)>/g, (_, index: string) => String(terms[Number(index)]));
  return new Function(`return ${js}`)();
}

/** Runs a function on one event and returns the lines that it writes. */
async function linesOf(operation: Operation, url: string, event: object): Promise<Line[]> {
  const lambda = await startFunction(operation, { DRAGONFLY_URL: url });
  try {
    await lambda.invoke(event);
    return lambda
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
  } finally {
    await lambda.stop();
  }
}

const countIn = (metric: string, lines: Line[]) => {
  const [filter] = filtersOf(template, metric);
  return lines.filter((line) => counts(filter?.FilterPattern ?? '', line)).length;
};

describe('the metrics from logs', () => {
  it('are those of the list, by the dimensions of the list, apart by stage', () => {
    const { template } = synthesize({ ...BACKENDS.memory, stage: 'test' });
    const made = Object.values(resources(template, 'AWS::Logs::MetricFilter')) as unknown as Filter[];
    const names = new Set(made.map(({ MetricTransformations: [{ MetricName }] }) => MetricName));
    expect([...names].sort()).toEqual(Object.values(LOG_METRICS).sort());
    for (const {
      MetricTransformations: [{ MetricName, MetricNamespace, Dimensions = [] }],
    } of made) {
      expect(MetricNamespace).toBe('CacheService/test');
      const expected = { Faults: DIMENSIONS.faults, Errors: DIMENSIONS.errors }[MetricName] ?? {};
      expect(Object.fromEntries(Dimensions.map(({ Key, Value }) => [Key, Value]))).toEqual(expected);
    }
  });

  it('know the code of every failure that is not the fault of the caller', () => {
    const classes = Object.values(errors).filter((one) => one !== errors.ServiceError) as (new (
      ...given: unknown[]
    ) => errors.ServiceError)[];
    const failures = classes.map((Failure) => new Failure([], 0)).filter(({ status }) => status >= 500);
    expect(failures.map(({ code }) => code).sort()).toEqual([...FAULT_CODES].sort());
  });

  it('count the faults of every function in its own log', () => {
    const groups = filtersOf(template, LOG_METRICS.faults).map(({ LogGroupName }) => LogGroupName.Ref);
    expect(new Set(groups).size).toBe(operations.length);
  });

  it('count a get that finds its key as a hit, one that does not as a miss, and no other request as either', async () => {
    const url = inject('singleUrl');
    const headers = { 'X-Tenant-ID': `metrics-${randomUUID()}` };
    const get = eventFor('get', { headers, parameters: { key: 'k' } });
    const missing = await linesOf('get', url, get);
    const setting = await linesOf('set', url, eventFor('set', { headers, body: { key: 'k', value: 1 } }));
    const finding = await linesOf('get', url, get);
    const counted = [missing, setting, finding].map((lines) => [
      countIn(LOG_METRICS.hits, lines),
      countIn(LOG_METRICS.misses, lines),
      countIn(LOG_METRICS.faults, lines),
    ]);
    expect(counted).toEqual([
      [0, 1, 0],
      [0, 0, 0],
      [1, 0, 0],
    ]);
  });

  it('count a request that finds no backend once, as a fault by its code', async () => {
    const url = `redis://${LOOPBACK}:${await freePort()}`;
    const event = eventFor('get', { headers: { 'X-Tenant-ID': 't' }, parameters: { key: 'k' } });
    const lines = await linesOf('get', url, event);
    expect(countIn(LOG_METRICS.faults, lines)).toBe(1);
    expect(lines.map(({ message }) => message)).toContain('BACKEND_UNAVAILABLE');
    expect(FAULT_CODES).toContain('BACKEND_UNAVAILABLE');
  });

  it('count the lines of failures in the access log, whoever answered', () => {
    const statuses = ['200', '204', '400', '403', '429', '503', '504'].map((status) => ({ status }));
    expect(countIn(LOG_METRICS.errors, statuses)).toBe(5);
  });
});
