import { describe, expect, it } from 'vitest';
import { namespaceOf } from '../../infra/stack/metrics.ts';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { accessLogOf } from './access-log.ts';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

interface Filter {
  FilterPattern: string;
  MetricTransformations: [
    {
      MetricName: string;
      MetricNamespace: string;
      MetricValue: string;
      Dimensions?: { Key: string; Value: string }[];
    },
  ];
}

const { template } = synthesize({ ...BACKENDS.memory, stage: 'test' });
const filters = Object.values(resources(template, 'AWS::Logs::MetricFilter')) as unknown as Filter[];

function filterOf({ name }: { name: string }): Filter {
  const found = filters.find(({ MetricTransformations: [{ MetricName }] }) => MetricName === name);
  if (!found) throw new Error(`No filter counts ${name}`);
  return found;
}

/**
 * Whether CloudWatch's filter pattern matches a line. Supports what the patterns use: texts with a trailing star, inequality, and `||`.
 */
function counts(pattern: string, line: Record<string, string>): boolean {
  const terms = pattern.slice(1, -1).split('||');
  return terms.some((term) => {
    const [, field = '', operator, text = '', star] =
      /^[ (]*\$\.(\w+) (=|!=) "([^"*]+)(\*?)"[ )]*$/.exec(term) ?? [];
    expect(text, term).not.toBe('');
    const value = line[field] ?? '';
    const matches = star ? value.startsWith(text) : value === text;
    return operator === '=' ? matches : !matches;
  });
}

describe('the metrics from the access log', () => {
  it.each([METRICS.errors, METRICS.functionErrors])(
    'have the name and dimensions of the list, and the namespace of the stage: $name',
    (metric) => {
      const [{ MetricNamespace, MetricValue, Dimensions = [] }] = filterOf(metric).MetricTransformations;
      expect(MetricNamespace).toBe(namespaceOf('test'));
      expect(MetricValue).toBe('1');
      expect(Dimensions).toEqual(metric.dimensions.map((Key) => ({ Key, Value: `$.${Key}` })));
    },
  );

  it('are read from fields that the access log has', () => {
    const { fields } = accessLogOf(template);
    expect(filters).toHaveLength(2);
    for (const { FilterPattern } of filters) {
      for (const [, field = ''] of FilterPattern.matchAll(/\$\.(\w+)/g)) expect(fields).toHaveProperty(field);
    }
  });

  it('count lines of failures, of functions and of API Gateway', () => {
    const { FilterPattern } = filterOf(METRICS.errors);
    const statuses = ['200', '204', '400', '403', '429', '503', '504'];
    expect(statuses.filter((status) => counts(FilterPattern, { status }))).toEqual(statuses.slice(2));
  });

  it('count lines of requests that a function did not answer, whatever the reason', () => {
    const { FilterPattern } = filterOf(METRICS.functionErrors);
    // API Gateway writes a hyphen for a missing value.
    const errors = ['-', 'Rate exceeded', 'The Lambda function returned an error'];
    const counted = errors.filter((function_error) =>
      counts(FilterPattern, { status: '503', function_error }),
    );
    expect(counted).toEqual(errors.slice(1));
  });
});
