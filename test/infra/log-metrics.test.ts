import { describe, expect, it } from 'vitest';
import { namespaceOf } from '../../infra/stack/metrics.ts';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { BACKENDS, only, synthesize } from './synthesize.ts';

interface Filter {
  FilterPattern: string;
  MetricTransformations: [
    {
      MetricName: string;
      MetricNamespace: string;
      MetricValue: string;
      Dimensions: { Key: string; Value: string }[];
    },
  ];
}

const filterOf = (stage: string) =>
  only(synthesize({ ...BACKENDS.memory, stage }).template, 'AWS::Logs::MetricFilter') as unknown as Filter;

/** Whether CloudWatch's filter pattern matches a line. Supports what the pattern uses: texts with a trailing star, and `||`. */
function counts(pattern: string, line: Record<string, string>): boolean {
  const terms = pattern.slice(1, -1).split('||');
  return terms.some((term) => {
    const [, field = '', beginning = ''] = /^[ (]*\$\.(\w+) = "(\d)\*"[ )]*$/.exec(term) ?? [];
    expect(beginning, term).not.toBe('');
    return line[field]?.startsWith(beginning);
  });
}

describe('the metric from the access log', () => {
  it('has the name and dimension of the list, and the namespace of the stage', () => {
    const [{ MetricName, MetricNamespace, MetricValue, Dimensions }] = filterOf('test').MetricTransformations;
    expect(MetricName).toBe(METRICS.errors.name);
    expect(MetricNamespace).toBe(namespaceOf('test'));
    expect(MetricValue).toBe('1');
    expect(Dimensions).toEqual(METRICS.errors.dimensions.map((Key) => ({ Key, Value: `$.${Key}` })));
  });

  it('counts lines of failures, of functions and of API Gateway', () => {
    const { FilterPattern } = filterOf('prod');
    const statuses = ['200', '204', '400', '403', '429', '503', '504'];
    expect(statuses.filter((status) => counts(FilterPattern, { status }))).toEqual(statuses.slice(2));
  });
});
