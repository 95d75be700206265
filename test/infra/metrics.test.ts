import { describe, expect, it } from 'vitest';
import { FAULT_CODES, namespaceOf, serviceMetric } from '../../infra/stack/metrics.ts';
import * as errors from '../../lib/errors.ts';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { fallback } from '../../lib/routes.ts';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

const settings = { stage: 'test', service: {} };

/** Every metric of the service in a template, as `name{dimension: value}`. */
function shown(text: string): string[] {
  const drawn = [...text.matchAll(/\[\\?"CacheService\/prod\\?",((?:\\?"[^"\\]*\\?",?)+)/g)];
  return drawn.map(([, found = '']) => {
    const [name, ...dimensions] = [...found.matchAll(/"([^"\\]*)\\?"/g)].map(([, word]) => word);
    const pairs = dimensions
      .filter((_, i) => i % 2 === 0)
      .map((key, i) => `${key}: ${dimensions[2 * i + 1]}`);
    return `${name}{${pairs.sort().join(', ')}}`;
  });
}

describe("the service's own metrics", () => {
  it('are read from the namespace and the service name that functions write', () => {
    const { template } = synthesize({ ...BACKENDS.memory, stage: 'test', SERVICE_NAME: 'another' });
    const functions = Object.values(resources(template, 'AWS::Lambda::Function')) as unknown as {
      Environment?: { Variables: Record<string, string> };
    }[];
    const namespaces = functions.map(({ Environment }) => Environment?.Variables.METRICS_NAMESPACE);
    expect(new Set(namespaces.filter((name) => name !== undefined))).toEqual(new Set([namespaceOf('test')]));
    expect(serviceMetric({ stage: 'test', service: { SERVICE_NAME: 'another' } }, 'hits')).toMatchObject({
      namespace: namespaceOf('test'),
      dimensions: { service: 'another' },
    });
    expect(serviceMetric(settings, 'hits').dimensions).toEqual({ service: 'cache-service' });
  });

  it('require values for exactly their dimensions', () => {
    expect(serviceMetric(settings, 'latency', { by: { operation: 'get' } }).dimensions).toEqual({
      service: 'cache-service',
      operation: 'get',
    });
    expect(serviceMetric(settings, 'errors', { by: { status: '429' } }).dimensions).toEqual({
      status: '429',
    });
    expect(() => serviceMetric(settings, 'latency')).toThrow('operation');
    expect(() => serviceMetric(settings, 'hits', { by: { tenant: 'acme' } })).toThrow('Hits');
  });

  it('appear on the dashboard under names of the list', () => {
    const { template } = synthesize();
    const body = JSON.stringify(resources(template, 'AWS::CloudWatch::Dashboard'));
    const found = shown(body.replaceAll('\\\\', '\\'));
    const names = new Set(found.map((each) => each.replace(/\{.*/, '')));
    const known: string[] = Object.values(METRICS).map(({ name }) => name);
    expect([...names].filter((name) => !known.includes(name))).toEqual([]);
    expect([...names]).toEqual(
      expect.arrayContaining(['Hits', 'Misses', 'Latency', 'BackendTime', 'Sets', 'ValueBytes', 'Failures']),
    );
    expect(found).toContain('Latency{operation: get, service: cache-service}');
    expect(found.join()).not.toContain(`operation: ${fallback.name}`);
  });

  it('have unique names', () => {
    const names = Object.values(METRICS).map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('include every error code with a status of 500 and above', () => {
    const classes = Object.values(errors).filter((one) => one !== errors.ServiceError) as (new (
      ...given: unknown[]
    ) => errors.ServiceError)[];
    const failures = classes
      .map((Failure) => new Failure([{ field: 'key', message: 'is required' }], 0))
      .filter(({ status }) => status >= 500);
    expect(failures.map(({ code }) => code).sort()).toEqual([...FAULT_CODES].sort());
  });
});
