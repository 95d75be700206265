import { MathExpression, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { MetricKey } from '../../../lib/observability/metric-names.ts';
import { MINUTE, serviceMetric } from '../metrics.ts';
import type { DeploymentSettings } from '../settings/types.ts';
import type { EndpointMetrics } from './index.ts';

/** Metrics that `functions/measure-backend.ts` publishes once a minute. */
export function measuredMetrics(settings: Pick<DeploymentSettings, 'service' | 'stage'>): EndpointMetrics {
  const metric = (key: MetricKey, label: string) =>
    serviceMetric(settings, key, { statistic: Stats.MAXIMUM, label });
  return {
    unreachable: new MathExpression({
      expression: '1 - reachable',
      usingMetrics: { reachable: serviceMetric(settings, 'backendReachable', { statistic: Stats.MINIMUM }) },
      label: 'Unreachable',
      period: MINUTE,
    }),
    memoryUsagePercent: metric('memoryUsage', 'Memory'),
    evictions: new MathExpression({
      // The metric is a total since the start of the servers: it falls when a server restarts.
      expression: 'IF(DIFF(total) > 0, DIFF(total), 0)',
      usingMetrics: { total: metric('evicted', 'Evicted since the start') },
      label: 'Evictions',
      period: MINUTE,
    }),
    connections: metric('connections', 'Connections'),
  };
}
