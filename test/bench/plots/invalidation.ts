import type { Spec } from 'vega';
import { median } from '../part.ts';
import type { InStore } from '../parts/invalidation.ts';
import { type Report, type Result, significant } from '../report.ts';
import { colours, frame, type Plot, texts } from './plot.ts';

/** The time of one method in a store of one size. */
interface Point {
  series: string;
  storeKeys: number;
  /** Median, fastest and slowest time, in milliseconds. */
  ms: number;
  least: number;
  most: number;
  label: string;
  /** Whether it belongs to the largest store, where the name of the series is drawn. */
  last: boolean;
}

const OURS = 'cache-service';
const WIDTH = 440;
const LEFT = 90;

/** Time of an invalidation by the size of the store. */
export const invalidation: Plot = {
  name: 'invalidation',
  draw(report) {
    const rows = report.results.filter((result): result is Result & InStore => 'storeKeys' in result);
    const [first] = rows;
    if (first === undefined) return undefined;
    const title = `Time to invalidate ${first.keysGone.toLocaleString('en-US')} keys, by the size of the store`;
    return spec(title, pointsOf(rows), report);
  },
};

function pointsOf(rows: InStore[]): Point[] {
  const largest = Math.max(...rows.map(({ storeKeys }) => storeKeys));
  const series = Map.groupBy(
    rows.flatMap(({ storeKeys, anchor, ours, theirs }) => [
      { storeKeys, name: OURS, samples: ours },
      { storeKeys, name: anchor, samples: theirs },
    ]),
    ({ storeKeys, name }) => `${name} at ${storeKeys}`,
  );
  const points = [...series.values()].map((same): Point => {
    const [first] = same as [(typeof same)[number]];
    const samples = same.flatMap((each) => each.samples);
    const ms = median(samples);
    return {
      series: first.name,
      storeKeys: first.storeKeys,
      ms,
      least: Math.min(...samples),
      most: Math.max(...samples),
      label: `${significant(ms)} ms`,
      last: first.storeKeys === largest,
    };
  });
  // Ours last, so that it is drawn on top.
  return points.sort((a, b) => Number(a.series === OURS) - Number(b.series === OURS));
}

function spec(title: string, points: Point[], report: Report): Spec {
  const names = [...new Set(points.map(({ series }) => series))];
  const sizes = [...new Set(points.map(({ storeKeys }) => storeKeys))];
  const common = frame({ width: WIDTH, height: 300, left: LEFT, right: 250 });
  const x = { scale: 'x', field: 'storeKeys' };
  const y = { scale: 'y', field: 'ms' };
  const colour = { scale: 'colour', field: 'series' };
  return {
    ...common,
    data: [
      { name: 'points', values: points },
      { name: 'ends', source: 'points', transform: [{ type: 'filter', expr: 'datum.last' }] },
    ],
    scales: [
      // A little wider than the data, so that no dot is on the edge.
      {
        name: 'x',
        type: 'log',
        domain: [Math.min(...sizes) / 1.3, Math.max(...sizes) * 1.1],
        range: 'width',
      },
      { name: 'y', type: 'log', domain: reach(points), range: 'height' },
      {
        name: 'colour',
        type: 'ordinal',
        domain: names,
        range: [colours.orange, colours.green, colours.blue],
      },
    ],
    axes: [
      {
        scale: 'x',
        orient: 'bottom',
        title: 'keys in the store',
        titlePadding: 8,
        values: sizes,
        format: ',d',
      },
      {
        scale: 'y',
        orient: 'left',
        title: 'milliseconds',
        titleX: -62,
        values: powersOfTen(reach(points)),
        format: ',',
        grid: true,
      },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'line', data: 'points', groupby: 'series' } },
        marks: [
          {
            type: 'line',
            from: { data: 'line' },
            encode: { enter: { x, y, stroke: colour, strokeWidth: { value: 2.5 } } },
          },
        ],
      },
      {
        type: 'rule',
        from: { data: 'points' },
        encode: {
          enter: {
            x,
            y: { scale: 'y', field: 'least' },
            y2: { scale: 'y', field: 'most' },
            stroke: colour,
            strokeWidth: { value: 1.5 },
          },
        },
      },
      {
        type: 'symbol',
        from: { data: 'points' },
        encode: { enter: { x, y, fill: colour, size: { value: 60 } } },
      },
      {
        type: 'text',
        from: { data: 'ends' },
        encode: {
          enter: {
            x: { ...x, offset: 14 },
            y,
            text: { signal: "datum.series + ': ' + datum.label" },
            fill: colour,
            fontWeight: { value: 'bold' },
            baseline: { value: 'middle' },
          },
        },
      },
      ...texts(report, LEFT, {
        title,
        subtitle: 'All of one tenant, under one prefix. Lower is better; both axes are logarithmic',
        marks: 'dots are medians, the thin lines reach from the fastest to the slowest',
      }),
    ],
  };
}

/** The range of the points' times, with a margin. */
function reach(points: Point[]): [number, number] {
  const least = Math.min(...points.map((point) => point.least));
  const most = Math.max(...points.map((point) => point.most));
  return [least / 1.5, most * 1.5];
}

function powersOfTen([from, to]: [number, number]): number[] {
  const first = Math.ceil(Math.log10(from));
  const count = Math.floor(Math.log10(to)) - first + 1;
  return Array.from({ length: count }, (_, i) => 10 ** (first + i));
}
