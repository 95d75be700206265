import type { Mark, Spec, TextEncodeEntry } from 'vega';
import { colours, frame } from '../bench/plots/plot.ts';
import type { Run } from './run.ts';

const WIDTH = 700;
const LEFT = 70;
const RIGHT = 150;

/** The height of a panel, and the distance from the top of a panel to the top of the next, in pixels. */
const PANEL = 104;
const STEP = 146;

const PALE = '#a6cbe3';

/** One line or area of a panel: the field that it shows, and its label on the right. */
interface Series {
  field: string;
  label: string;
  colour: string;
  /** Distance of its label from the panel's upper edge. */
  labelAt: number;
}

interface Panel {
  title: string;
  domain: [number, number];
  /** For times, which differ too much for a linear axis. */
  logarithmic?: true;
  marks: Mark[];
  series: Series[];
}

/** Panels of hit rate, times, requests, memory and evictions, one below the other, by second of the run. */
export function picture(run: Run): Spec {
  const mib = run.limit / 1024 ** 2;
  const samples = run.samples.map((sample) => ({
    ...sample,
    stacked1: sample.hits + sample.misses,
    stacked2: sample.hits + sample.misses + sample.sets,
    mib: sample.memory / 1024 ** 2,
  }));
  const panels: Panel[] = [
    {
      title: 'Hit rate, %',
      domain: [0, 100],
      marks: [line('hitRate', colours.blue)],
      series: [],
    },
    {
      title: 'Time of gets in the service, ms (logarithmic)',
      domain: [0.1, Math.max(100, ...samples.map(({ p99 }) => p99 ?? 0))],
      logarithmic: true,
      marks: [line('p99', colours.orange), line('p95', colours.green), line('p50', colours.blue)],
      series: [
        { field: 'p99', label: 'p99', colour: colours.orange, labelAt: 20 },
        { field: 'p95', label: 'p95', colour: colours.green, labelAt: 40 },
        { field: 'p50', label: 'p50', colour: colours.blue, labelAt: 60 },
      ],
    },
    {
      title: 'Requests a second',
      domain: [0, Math.max(1, ...samples.map(({ stacked2 }) => stacked2))],
      marks: [
        area('stacked2', 'stacked1', colours.green),
        area('stacked1', 'hits', colours.orange),
        area('hits', undefined, colours.blue),
      ],
      series: [
        { field: 'sets', label: 'sets', colour: colours.green, labelAt: 20 },
        { field: 'misses', label: 'gets that missed', colour: colours.orange, labelAt: 40 },
        { field: 'hits', label: 'gets that hit', colour: colours.blue, labelAt: 60 },
      ],
    },
    {
      title: 'Memory of the engine, MiB',
      domain: [0, mib * 1.15],
      marks: [area('mib', undefined, PALE), limit(mib)],
      series: [{ field: 'mib', label: `limit: ${mib.toFixed(1)} MiB`, colour: colours.faint, labelAt: 18 }],
    },
    {
      title: 'Keys evicted a second',
      domain: [0, Math.max(10, ...samples.map(({ evicted }) => evicted))],
      marks: [area('evicted', undefined, colours.orange)],
      series: [],
    },
  ];
  const height = STEP * (panels.length - 1) + PANEL;
  return {
    ...frame({ width: WIDTH, height, left: LEFT, right: RIGHT }),
    data: [
      { name: 'happenings', values: run.happenings },
      { name: 'samples', values: samples },
    ],
    scales: [{ name: 'x', type: 'linear', domain: [0, run.seconds - 1], range: 'width' }],
    marks: [
      ...panels.map((panel, index) => drawn(panel, STEP * index, index === panels.length - 1)),
      ...happenings(height),
      ...words(run, height),
    ],
  };
}

/** @param last the last panel contains the time axis */
function drawn({ title, domain, logarithmic, marks, series }: Panel, y: number, last: boolean): Mark {
  return {
    type: 'group',
    encode: {
      enter: {
        y: { value: y },
        width: { signal: 'width' },
        height: { value: PANEL },
        clip: { value: false },
      },
    },
    scales: [
      {
        name: 'y',
        type: logarithmic ? 'log' : 'linear',
        domain,
        range: [PANEL, 0],
      },
    ],
    axes: [
      {
        scale: 'y',
        orient: 'left',
        grid: true,
        domain: false,
        format: '~r',
        ...(logarithmic ? { values: [0.1, 1, 10, 100, 1000] } : { tickCount: 4 }),
      },
      {
        scale: 'x',
        orient: 'bottom',
        grid: false,
        labels: last,
        ticks: last,
        ...(last && { title: 'seconds', titlePadding: 6 }),
      },
    ],
    marks: [
      ...marks,
      text(title, { value: 0 }, { value: -10 }, { fontWeight: { value: 'bold' } }),
      ...series.map(({ label, colour, labelAt }) =>
        text(label, { signal: 'width + 12' }, { value: labelAt }, { fill: { value: colour } }),
      ),
    ],
  };
}

const X = { scale: 'x', field: 'at' } as const;

function line(field: string, colour: string): Mark {
  return {
    type: 'line',
    from: { data: 'samples' },
    encode: {
      enter: {
        x: X,
        y: { scale: 'y', field },
        stroke: { value: colour },
        strokeWidth: { value: 1.6 },
        defined: { signal: `isNumber(datum.${field})` },
      },
    },
  };
}

/** @param from the field of the lower edge; undefined for zero */
function area(field: string, from: string | undefined, colour: string): Mark {
  return {
    type: 'area',
    from: { data: 'samples' },
    encode: {
      enter: {
        x: X,
        y: { scale: 'y', field },
        y2: from === undefined ? { scale: 'y', value: 0 } : { scale: 'y', field: from },
        fill: { value: colour },
      },
    },
  };
}

function limit(value: number): Mark {
  const y = { scale: 'y', value };
  const enter = { x: { value: 0 }, x2: { signal: 'width' }, y, stroke: { value: colours.text } };
  return { type: 'rule', encode: { enter: { ...enter, strokeDash: { value: [5, 3] } } } };
}

/** The operations during the run, as vertical lines through all panels. */
function happenings(height: number): Mark[] {
  const from = { data: 'happenings' };
  return [
    {
      type: 'rule',
      from,
      encode: {
        enter: {
          x: X,
          y: { value: -14 },
          y2: { value: height },
          stroke: { value: colours.text },
          strokeDash: { value: [2, 3] },
        },
      },
    },
    {
      type: 'text',
      from,
      encode: {
        enter: {
          x: X,
          y: { value: -18 },
          text: { field: 'what' },
          fontSize: { value: 12 },
          fill: { value: colours.text },
          align: { value: 'center' },
        },
      },
    },
  ];
}

function words({ machine, rate, keys, valueBytes }: Run, height: number): Mark[] {
  const x = { value: 20 - LEFT };
  const faint = { fill: { value: colours.faint } };
  const load = `${keys.toLocaleString('en')} keys of ${valueBytes.toLocaleString('en')} bytes, ${rate} asked for a second (Zipf, 0.99), what is missing set`;
  return [
    text(
      'A cache filling up, invalidated and cleared, second by second',
      x,
      { value: -52 },
      {
        fontSize: { value: 17 },
        fontWeight: { value: 'bold' },
      },
    ),
    text(load, x, { value: height + 62 }, { fontSize: { value: 12 }, ...faint }),
    text(
      `From the service’s own metrics and the engine’s INFO · ${machine.date} · ${machine.cpu}, everything on one machine · ${machine.engine} · Node ${machine.node.replace(/^v/, '')}`,
      x,
      { value: height + 79 },
      { fontSize: { value: 12 }, ...faint },
    ),
  ];
}

type Position = { value: number } | { signal: string };

function text(what: string, x: Position, y: Position, style: TextEncodeEntry = {}): Mark {
  return { type: 'text', encode: { enter: { x, y, text: { value: what }, ...style } } };
}
