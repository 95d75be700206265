import type { Spec } from 'vega';
import { type Report, type Result, significant } from '../report.ts';
import { colours, frame, type Plot, texts } from './plot.ts';

/** The time of a request as a multiple of its anchor's. */
interface Bar {
  /** Unique, because a request may be compared with several anchors. */
  row: string;
  what: string;
  anchor: string;
  /** Median, best and worst ratio of the rounds. */
  ratio: number;
  least: number;
  most: number;
  /** Maximum ratio, and whether it is met. */
  goal: number;
  met: boolean;
  label: string;
}

/** Parts whose comparisons with a goal and a unit of time or rate are kinds of requests or starts. */
const PARTS = ['invocation', 'batch', 'start', 'local'];
const TIMES = ['µs', 'ms'];
const RATES = ['requests/s'];

const WIDTH = 300;
const ROW = 46;
const LEFT = 330;

/** The ratios of all requests with a goal. */
export const requests: Plot = {
  name: 'requests',
  draw(report) {
    const bars = report.results.flatMap(barOf);
    return bars.length > 0 ? spec(bars, report) : undefined;
  },
};

function barOf({ part, what, anchor, unit, ours, theirs, ratio, goal, met }: Result): Bar[] {
  const isRate = RATES.includes(unit);
  if (!goal || !PARTS.includes(part) || !(isRate || TIMES.includes(unit))) return [];
  // Half the rate is twice the time.
  const asTime = (multiple: number) => (isRate ? 1 / multiple : multiple);
  const rounds = ours.map((sample, round) => asTime(sample / (theirs[round] ?? Number.NaN)));
  const limit = asTime('atMost' in goal ? goal.atMost : goal.atLeast);
  return [
    {
      row: `${what} beside ${anchor}`,
      what,
      anchor: `beside ${anchor}`,
      ratio: asTime(ratio),
      least: Math.min(...rounds),
      most: Math.max(...rounds),
      goal: limit,
      met: met === true,
      label: `${significant(asTime(ratio))}×, goal ≤ ${significant(limit)} ${met ? '✓' : '✗'}`,
    },
  ];
}

function spec(bars: Bar[], report: Report): Spec {
  const title = 'Time of a request, in multiples of its anchor’s';
  const height = ROW * bars.length;
  const common = frame({ width: WIDTH, height, left: LEFT, right: 150 });
  const ends = [1, ...bars.flatMap(({ least, most, goal }) => [least, most, goal])];
  const domain: [number, number] = [
    Math.min(0.8, ...ends.map((end) => end / 1.1)),
    Math.max(2, ...ends.map((end) => end * 1.1)),
  ];
  const middle = { scale: 'y', field: 'row', band: 0.5 };
  const at = (field: string) => ({ scale: 'x', field });
  return {
    ...common,
    data: [{ name: 'bars', values: bars }],
    scales: [
      { name: 'x', type: 'log', domain, range: 'width' },
      { name: 'y', type: 'band', domain: bars.map(({ row }) => row), range: 'height' },
    ],
    axes: [
      {
        scale: 'x',
        orient: 'bottom',
        grid: true,
        values: [0.25, 0.5, 1, 2, 4, 8, 16].filter((tick) => tick >= domain[0] && tick <= domain[1]),
        format: '~r',
        title: 'multiple of the anchor’s time; the upright mark is the goal',
        titlePadding: 8,
      },
    ],
    marks: [
      {
        type: 'rect',
        from: { data: 'bars' },
        encode: {
          enter: {
            x: { scale: 'x', value: 1 },
            x2: at('ratio'),
            y: { ...middle, offset: -9 },
            height: { value: 18 },
            fill: [{ test: 'datum.met', value: colours.blue }, { value: colours.orange }],
          },
        },
      },
      {
        type: 'rule',
        from: { data: 'bars' },
        encode: { enter: { x: at('least'), x2: at('most'), y: middle, stroke: { value: colours.text } } },
      },
      {
        type: 'rule',
        from: { data: 'bars' },
        encode: {
          enter: {
            x: at('goal'),
            y: { ...middle, offset: -15 },
            y2: { ...middle, offset: 15 },
            stroke: { value: colours.text },
            strokeWidth: { value: 2.5 },
          },
        },
      },
      {
        type: 'rule',
        encode: {
          enter: {
            x: { scale: 'x', value: 1 },
            y: { value: 0 },
            y2: { signal: 'height' },
            stroke: { value: colours.faint },
          },
        },
      },
      column('what', { value: 20 - LEFT }, -8),
      column('anchor', { value: 20 - LEFT }, 9, colours.faint),
      column('label', { signal: 'width + 14' }, 0),
      ...texts(report, LEFT, {
        title,
        subtitle: 'Blue bars reach their goal, orange ones do not. Lower is better; the axis is logarithmic',
        marks: 'bars are medians, the thin lines reach from the best round to the worst',
      }),
    ],
  };

  function column(
    field: keyof Bar,
    x: { value: number } | { signal: string },
    offset: number,
    fill = colours.text,
  ) {
    return {
      type: 'text' as const,
      from: { data: 'bars' },
      encode: {
        enter: {
          x,
          y: { ...middle, offset },
          text: { field },
          fill: { value: fill },
          fontSize: { value: field === 'anchor' ? 12 : 13 },
          baseline: { value: 'middle' as const },
        },
      },
    };
  }
}
