import { METRICS, type MetricKey } from './metric-names.ts';

/** One or several values for each metric. */
export type MetricValues = Partial<Record<MetricKey, number | readonly number[]>>;

/** CloudWatch reads at most this many values of one metric from a line. */
export const MAX_VALUES = 100;

/** Cached directives, by namespace and metrics: most requests have the same few metrics. */
const directives = new Map<string, unknown>();

/**
 * The members that a log line needs so that CloudWatch extracts metrics from it: the values, and the `_aws` directives. The line must
 * also have a member for each dimension.
 *
 * Source: "Specification: Embedded metric format" in the CloudWatch user guide.
 */
export function emfMembers(namespace: string, values: MetricValues): Record<string, unknown> {
  const keys = Object.keys(values) as MetricKey[];
  const members: Record<string, unknown> = {};
  for (const key of keys) members[METRICS[key].name] = values[key];
  return { ...members, _aws: { Timestamp: Date.now(), CloudWatchMetrics: directivesFor(namespace, keys) } };
}

function directivesFor(namespace: string, keys: MetricKey[]): unknown {
  const id = `${namespace} ${keys}`;
  let cached = directives.get(id);
  if (cached === undefined) {
    const groups = Map.groupBy(keys, (key) => METRICS[key].dimensions);
    cached = [...groups].map(([dimensions, members]) => ({
      Namespace: namespace,
      Dimensions: [dimensions],
      Metrics: members.map((key) => ({ Name: METRICS[key].name, Unit: METRICS[key].unit })),
    }));
    directives.set(id, cached);
  }
  return cached;
}
