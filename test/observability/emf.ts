/** A metric that CloudWatch would extract from a line in the embedded metric format. */
export interface Embedded {
  namespace: string;
  name: string;
  unit: string;
  /** Values by name, in the order of the line. */
  dimensions: Record<string, string>;
  values: number[];
}

export type Line = Record<string, unknown>;

interface Directive {
  Namespace: string;
  Dimensions: string[][];
  Metrics: { Name: string; Unit: string }[];
}

/** Limits of CloudWatch for a line. */
const MAX_METRICS = 100;
const MAX_VALUES = 100;
const MAX_LINE_BYTES = 1024 ** 2;

/** The JSON lines of a log. */
export function linesOf(output: string): Line[] {
  const lines = output.split('\n').filter((line) => line.startsWith('{'));
  return lines.map((line) => JSON.parse(line));
}

/**
 * The metrics that CloudWatch would extract from a line.
 *
 * @throws Error if CloudWatch would drop the line or a part of it, which CloudWatch does silently
 */
export function metricsOf(line: Line): Embedded[] {
  if (line._aws === undefined) return [];
  const problem = (what: string) => new Error(`${what}: ${JSON.stringify(line)}`);
  if (Buffer.byteLength(JSON.stringify(line)) > MAX_LINE_BYTES) throw problem('Too long');
  const { Timestamp, CloudWatchMetrics } = line._aws as { Timestamp: number; CloudWatchMetrics: Directive[] };
  if (!(Math.abs(Timestamp - Date.now()) < 3600_000)) throw problem('Not of now');
  return CloudWatchMetrics.flatMap(({ Namespace, Dimensions, Metrics }) => {
    if (!/^[\w.#:/-]{1,255}$/.test(Namespace)) throw problem('No namespace');
    if (Metrics.length === 0 || Metrics.length > MAX_METRICS) throw problem('Not 1 to 100 metrics');
    return Dimensions.flatMap((names) => {
      const dimensions = names.map((name): [string, string] => {
        const value = line[name];
        if (typeof value !== 'string' || value === '') throw problem(`No dimension ${name}`);
        return [name, value];
      });
      return Metrics.map(({ Name, Unit }): Embedded => {
        const values = [line[Name]].flat();
        const areNumbers = values.every((value): value is number => Number.isFinite(value));
        if (!areNumbers || values.length === 0 || values.length > MAX_VALUES)
          throw problem(`No values of ${Name}`);
        return {
          namespace: Namespace,
          name: Name,
          unit: Unit,
          dimensions: Object.fromEntries(dimensions),
          values,
        };
      });
    });
  });
}

/** The values of the line's metrics, by metric name. */
export function valuesOn(line: Line | undefined): Record<string, number[]> {
  return Object.fromEntries(metricsOf(line ?? {}).map(({ name, values }) => [name, values]));
}
