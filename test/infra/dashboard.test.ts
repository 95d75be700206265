import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { operations } from '../../infra/build/functions.ts';
import { FAULT_CODES } from '../../infra/stack/metrics.ts';
import { type Route, routes } from '../../lib/routes.ts';
import { BACKENDS, only, synthesize } from './synthesize.ts';

interface Widget {
  type: string;
  x: number;
  y: number;
  width: number;
  height: number;
  properties: {
    title?: string;
    markdown?: string;
    alarms?: string[];
    metrics?: unknown[][];
    yAxis?: { left?: { label?: string; min?: number } };
  };
}

/** The widgets, with logical ids in place of the names of deployed resources. */
function widgetsOf(template: Template): Widget[] {
  const { DashboardBody } = only(template, 'AWS::CloudWatch::Dashboard') as {
    DashboardBody: { 'Fn::Join': [string, (string | object)[]] };
  };
  const text = DashboardBody['Fn::Join'][1].map((part) =>
    typeof part === 'string' ? part : String(Object.values(part).flat()[0]),
  );
  return JSON.parse(text.join('')).widgets;
}

const { template } = synthesize();
const widgets = widgetsOf(template);
const graphs = widgets.filter(({ type }) => type === 'metric');

function graph(title: string, among = graphs): Widget {
  const found = among.find(({ properties }) => properties.title?.startsWith(title));
  if (!found) throw new Error(`No graph has the title ${title}`);
  return found;
}

/** The metrics of the graphs as text: names, dimensions, expressions and labels. */
const drawn = (widget: Widget) => JSON.stringify(widget.properties.metrics);

const timed = routes.filter((route: Route) => route.backend !== false).map(({ name }) => name);

describe('the dashboard', () => {
  it('has at most 20 widgets, without overlaps', () => {
    expect(widgets.length).toBeLessThanOrEqual(20);
    for (const { x, y, width, height } of widgets) {
      expect(x + width).toBeLessThanOrEqual(24);
      const inside = widgets.filter(
        (other) =>
          other.x < x + width &&
          x < other.x + other.width &&
          other.y < y + height &&
          y < other.y + other.height,
      );
      expect(inside).toHaveLength(1);
    }
  });

  it('has a unique title, a unit and an axis from zero for each graph', () => {
    const titles = graphs.map(({ properties }) => properties.title ?? '');
    expect(new Set(titles).size).toBe(graphs.length);
    for (const { properties } of graphs) {
      expect(properties.title).toMatch(/^[A-Z]/);
      expect(properties.yAxis?.left?.label, properties.title).toMatch(/\S/);
      expect(properties.yAxis?.left?.min, properties.title).toBe(0);
    }
  });

  it('describes normal values with the limits of this deployment', () => {
    const settings = { ...BACKENDS.memory, throttleRate: 123, sweepThrottleRate: 4 };
    const [text] = widgetsOf(synthesize(settings).template);
    expect(text?.properties.markdown).toMatch(/Normal:/);
    expect(text?.properties.markdown).toMatch(
      /more than 123 requests a second to one route, or 4 for invalidate and clear\./,
    );
    expect(text?.properties.markdown).toMatch(/Runbook/);
  });

  it('shows every alarm', () => {
    const shown = widgets.flatMap(({ properties }) => properties.alarms ?? []);
    expect(shown.toSorted()).toEqual(Object.keys(template.findResources('AWS::CloudWatch::Alarm')).sort());
  });

  it.each([
    ['Requests by operation', operations],
    // The fallback and the routes without a cache have no metrics of their own.
    ['Time in the function, p50', timed],
    ['Time in the function, p99', timed],
  ])('shows every operation: %s', (title, expected) => {
    const { metrics = [] } = graph(title).properties;
    const labels = metrics.map((metric) => (metric.at(-1) as { label: string }).label);
    expect(labels).toEqual(expected);
  });

  it('shows the time of backend calls and the reconnects', () => {
    const calls = drawn(graph('Time of a backend call'));
    expect(calls).toMatch(/"BackendTime".*"p50".*"BackendTime".*"p99".*"Reconnects"/);
  });

  it('shows changed keys, and bytes of values and of compression', () => {
    expect(drawn(graph('Keys changed'))).toMatch(/"Sets".*"Deletes".*"EntriesInvalidated"/);
    expect(drawn(graph('Bytes of values read, set'))).toMatch(
      /"ValueBytes".*"set".*"get".*"CompressionSaved"/,
    );
  });

  it('shows the hit rate', () => {
    expect(drawn(graph('Hit rate'))).toMatch(
      /100 \* FILL\(hits, 0\) \/ \(FILL\(hits, 0\) \+ FILL\(misses, 0\)\)/,
    );
  });

  it('shows leases granted and waited for, stale reads and rejected fills', () => {
    expect(drawn(graph('Hit rate'))).toMatch(/"LeasesGranted".*"LeaseWaits".*"StaleReads".*"FillsRejected"/);
  });

  it('shows every counted status of 400 and above, and every error code of 500 and above', () => {
    expect(drawn(graph('Responses of 400 and above by status'))).toContain(
      `SEARCH('{\\"CacheService/prod\\",status} MetricName=`,
    );
    expect(drawn(graph('Responses of 400 and above by status'))).toContain(`PROP('Dim.status')`);
    for (const code of FAULT_CODES)
      expect(drawn(graph('Responses of 500 and above by code'))).toContain(code);
  });

  it('shows the quantities that are billed', () => {
    expect(drawn(graph('Cost: requests'))).toMatch(/"Count".*"DataProcessed"/);
    // Memory of 512 MB is 0.5 GB, and durations are in milliseconds.
    expect(drawn(graph('Cost: duration of functions'))).toContain(`d0 * ${0.5 / 1000}`);
    expect(drawn(graph('Cost: processing units'))).toMatch(/ElastiCacheProcessingUnits.*BytesUsedForCache/);
  });

  it('shows memory, evictions and connections of a cache on AWS', () => {
    expect(graph('Cache: memory')).toBeDefined();
    expect(drawn(graph('Cache: evictions'))).toMatch(/Evictions.*ThrottledCmds/);
    expect(drawn(graph('Cache: connections'))).toContain('CurrConnections');
  });

  it('has no empty graphs for a cache without metrics', () => {
    const titles = widgetsOf(synthesize(BACKENDS.memory).template).map(
      ({ properties }) => properties.title ?? '',
    );
    expect(titles.filter((title) => title.startsWith('Cache'))).toEqual([]);
  });
});
