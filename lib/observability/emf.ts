import { METRICS, type MetricKey } from './metric-names.ts';

/** A value for each metric, or several. */
export type MetricValues = Partial<Record<MetricKey, number | readonly number[]>>;

/** CloudWatch reads at most this many values of one metric from a line. */
export const MAX_VALUES = 100;

/** The directives depend on the metrics alone, and most requests have the same few. */
const directives = new Map<string, unknown>();

/**
 * The members that make a log line one of CloudWatch's embedded metric format: the values, and `_aws`, which says that they are
 * metrics. The line itself must have a member for each dimension.
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
  let known = directives.get(id);
  if (known === undefined) {
    const groups = Map.groupBy(keys, (key) => METRICS[key].dimensions);
    known = [...groups].map(([dimensions, members]) => ({
      Namespace: namespace,
      Dimensions: [dimensions],
      Metrics: members.map((key) => ({ Name: METRICS[key].name, Unit: METRICS[key].unit })),
    }));
    directives.set(id, known);
  }
  return known;
}
