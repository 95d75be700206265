import * as v from 'valibot';

/**
 * A strict reader of OTLP in JSON, after its specification and protocol buffers: identifiers are hexadecimal, 64-bit integers may
 * be strings, enumerations are numbers, and unknown members are errors.
 */

export type AttributeValue = string | number | boolean;
export type Attributes = Record<string, AttributeValue>;

export interface DecodedSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string | undefined;
  traceState: string | undefined;
  name: string;
  /** The protocol's number: 2 is SERVER, 3 is CLIENT. */
  kind: number;
  /** Nanoseconds since the epoch. */
  start: bigint;
  end: bigint;
  attributes: Attributes;
  /** 0 is unset, 2 is ERROR. */
  status: { code: number; message: string | undefined };
  resource: Attributes;
}

export const SERVER = 2;
export const CLIENT = 3;
export const ERROR = 2;

export interface DecodedMetric {
  name: string;
  unit: string | undefined;
  kind: 'sum' | 'histogram';
  /** True: points count since the last export. False: since the start. */
  delta: boolean;
  points: { attributes: Attributes; count: number; sum: number }[];
  resource: Attributes;
}

const hexadecimal = (length: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^(?!0+$)[0-9a-f]{${length}}$`)));
const uint64 = v.pipe(
  v.union([v.string(), v.number()]),
  v.transform((digits): bigint => BigInt(digits)),
);
const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const value = v.pipe(
  v.union([
    v.strictObject({ stringValue: v.string() }),
    v.strictObject({ boolValue: v.boolean() }),
    v.strictObject({ intValue: v.union([v.pipe(v.number(), v.integer()), v.string()]) }),
    v.strictObject({ doubleValue: v.number() }),
  ]),
  v.transform((given): AttributeValue => {
    if ('intValue' in given) return Number(given.intValue);
    return Object.values(given)[0];
  }),
);
const attributes = v.pipe(
  v.array(v.strictObject({ key: v.pipe(v.string(), v.nonEmpty()), value })),
  v.check((pairs) => new Set(pairs.map(({ key }) => key)).size === pairs.length, 'duplicate attribute'),
  v.transform((pairs): Attributes => Object.fromEntries(pairs.map(({ key, value }) => [key, value]))),
);
const resource = v.strictObject({ attributes, droppedAttributesCount: v.optional(count) });
const scope = v.strictObject({ name: v.string(), version: v.optional(v.string()) });

const span = v.strictObject({
  traceId: hexadecimal(32),
  spanId: hexadecimal(16),
  traceState: v.optional(v.string()),
  parentSpanId: v.optional(hexadecimal(16)),
  flags: v.optional(count),
  name: v.pipe(v.string(), v.nonEmpty()),
  kind: v.picklist([1, 2, 3, 4, 5]),
  startTimeUnixNano: uint64,
  endTimeUnixNano: uint64,
  attributes,
  droppedAttributesCount: v.optional(count),
  events: v.optional(v.array(v.unknown())),
  droppedEventsCount: v.optional(count),
  links: v.optional(v.array(v.unknown())),
  droppedLinksCount: v.optional(count),
  status: v.strictObject({ code: v.picklist([0, 1, 2]), message: v.optional(v.string()) }),
});

const traces = v.strictObject({
  resourceSpans: v.array(
    v.strictObject({ resource, scopeSpans: v.array(v.strictObject({ scope, spans: v.array(span) })) }),
  ),
});

const point = { attributes, startTimeUnixNano: uint64, timeUnixNano: uint64, flags: v.optional(count) };
const temporality = v.picklist([1, 2]);
const DELTA = 1;
const metric = v.strictObject({
  name: v.pipe(v.string(), v.nonEmpty()),
  description: v.optional(v.string()),
  unit: v.optional(v.string()),
  sum: v.optional(
    v.strictObject({
      aggregationTemporality: temporality,
      isMonotonic: v.boolean(),
      dataPoints: v.array(
        v.strictObject({
          ...point,
          asInt: v.optional(v.union([v.number(), v.string()])),
          asDouble: v.optional(v.number()),
        }),
      ),
    }),
  ),
  histogram: v.optional(
    v.strictObject({
      aggregationTemporality: temporality,
      dataPoints: v.array(
        v.strictObject({
          ...point,
          count: uint64,
          sum: v.optional(v.number()),
          min: v.optional(v.number()),
          max: v.optional(v.number()),
          bucketCounts: v.array(uint64),
          explicitBounds: v.array(v.number()),
        }),
      ),
    }),
  ),
});

const metrics = v.strictObject({
  resourceMetrics: v.array(
    v.strictObject({ resource, scopeMetrics: v.array(v.strictObject({ scope, metrics: v.array(metric) })) }),
  ),
});

/** @throws Error if `json` is not a valid request to `/v1/traces` */
export function decodeTraces(json: string): DecodedSpan[] {
  const { resourceSpans } = v.parse(traces, JSON.parse(json));
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((one) => ({
        traceId: one.traceId,
        spanId: one.spanId,
        parentSpanId: one.parentSpanId,
        traceState: one.traceState,
        name: one.name,
        kind: one.kind,
        start: one.startTimeUnixNano,
        end: one.endTimeUnixNano,
        attributes: one.attributes,
        status: { code: one.status.code, message: one.status.message },
        resource: resource.attributes,
      })),
    ),
  );
}

/** @throws Error if `json` is not a valid request to `/v1/metrics`, or contains other metrics than sums and histograms */
export function decodeMetrics(json: string): DecodedMetric[] {
  const { resourceMetrics } = v.parse(metrics, JSON.parse(json));
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap((of) => of.metrics.map((one) => decodeMetric(one, resource.attributes))),
  );
}

function decodeMetric(
  { name, unit, sum, histogram }: v.InferOutput<typeof metric>,
  resource: Attributes,
): DecodedMetric {
  if (histogram) {
    const points = histogram.dataPoints.map((one) => {
      const inBuckets = one.bucketCounts.reduce((total, bucket) => total + bucket, 0n);
      if (inBuckets !== one.count || one.bucketCounts.length !== one.explicitBounds.length + 1) {
        throw new Error(`The buckets of ${name} do not add up`);
      }
      return { attributes: one.attributes, count: Number(one.count), sum: one.sum ?? 0 };
    });
    return {
      name,
      unit,
      kind: 'histogram',
      delta: histogram.aggregationTemporality === DELTA,
      points,
      resource,
    };
  }
  if (!sum) throw new Error(`${name} is neither a sum nor a histogram`);
  const points = sum.dataPoints.map(({ attributes, asInt, asDouble }) => {
    const total = Number(asInt ?? asDouble);
    return { attributes, count: total, sum: total };
  });
  return { name, unit, kind: 'sum', delta: sum.aggregationTemporality === DELTA, points, resource };
}
