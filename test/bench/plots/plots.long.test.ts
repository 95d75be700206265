import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Comparison } from '../part.ts';
import type { InStore } from '../parts/invalidation.ts';
import { judge, type Report, type Result } from '../report.ts';
import { drawPlots, plots } from './index.ts';
import { marks, parseXml, textOf } from './svg.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, '../main.ts');

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-plots-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const machine = {
  date: '2026-03-09',
  node: 'v24.1.2',
  engine: 'some-server 1.2.3',
  cpu: '2 × Some <CPU> & more',
};
const inStore = (storeKeys: number, anchor: string, ours: number[], theirs: number[]) => {
  const comparison: InStore = {
    storeKeys,
    keysGone: 1_000,
    what: 'invalidate',
    anchor,
    unit: 'ms',
    ours,
    theirs,
  };
  return judge('invalidation', comparison);
};
const request = (what: string, unit: string, ours: number[], theirs: number[], goal?: Comparison['goal']) =>
  judge('invocation', { what, unit, ours, theirs, goal, anchor: `a bare ${what}` });

async function drawn(results: Result[]): Promise<Record<string, string>> {
  const into = await mkdtemp(join(directory, 'drawn-'));
  const files = await drawPlots({ machine, size: 'full', rounds: 3, results }, into);
  const texts = files.map(async (file) => [file.slice(into.length + 1, -4), await readFile(file, 'utf8')]);
  return Object.fromEntries(await Promise.all(texts));
}

test('the plots of a tiny run are well-formed and contain the names of the measurements', async () => {
  const json = join(directory, 'bench.json');
  const into = join(directory, 'tiny');
  await run(process.execPath, [MAIN, '--tiny', '--json', json, '--into', into, 'invalidation', 'start']);
  expect((await readdir(into)).sort()).toEqual(plots.map(({ name }) => `${name}.svg`).sort());

  const report: Report = JSON.parse(await readFile(json, 'utf8'));
  const invalidation = textOf(parseXml(await readFile(join(into, 'invalidation.svg'), 'utf8')));
  for (const word of [
    '100 keys',
    '2,000',
    '4,000',
    'cache-service: ',
    'SCAN MATCH + UNLINK: ',
    'KEYS + UNLINK: ',
  ]) {
    expect(invalidation).toContain(word);
  }
  expect(invalidation).toContain(report.machine.engine);
  const requests = textOf(parseXml(await readFile(join(into, 'requests.svg'), 'utf8')));
  for (const { what, anchor } of report.results.filter(
    ({ goal, unit, part }) => goal && unit === 'ms' && part === 'start',
  )) {
    expect(requests).toContain(`${what}\n`);
    expect(requests).toContain(anchor);
  }
  expect(requests).toContain('cold start');

  // Drawing the same samples again gives the same files.
  const again = join(directory, 'again');
  await run(process.execPath, [MAIN, '--plot', json, '--into', again]);
  for (const file of await readdir(into)) {
    expect(await readFile(join(again, file), 'utf8')).toBe(await readFile(join(into, file), 'utf8'));
  }
}, 600_000);

test('a plot contains the date, the machine and the number of rounds', async () => {
  const svg = (await drawn([request('get', 'µs', [1, 2, 3], [1, 1, 1], { atMost: 2 })])).requests ?? '';
  const text = textOf(parseXml(svg));
  for (const word of [
    '9 March 2026',
    'some-server 1.2.3',
    'Node 24.1.2',
    '2 × Some <CPU> & more',
    '3 rounds',
  ]) {
    expect(text).toContain(word);
  }
});

test('a point of the invalidation plot is at the logarithms of the store size and of the time', async () => {
  const svg = await drawn([
    inStore(10_000, 'SCAN', [5, 5, 5], [10, 9, 11]),
    inStore(100_000, 'SCAN', [5, 5, 5], [100, 90, 110]),
    inStore(1_000_000, 'SCAN', [5, 5, 5], [1_000, 900, 1_100]),
  ]);
  const dots = marks(parseXml(svg.invalidation ?? ''), 'mark-symbol');
  expect(dots).toHaveLength(6);
  const [scan, ours] = [dots.slice(0, 3), dots.slice(3)] as [typeof dots, typeof dots];
  const steps = (points: typeof dots, axis: 'x' | 'y') =>
    points.slice(1).map((point, i) => point[axis] - (points[i]?.[axis] ?? Number.NaN));
  // A factor of ten is always the same distance, to the right for keys and up for time.
  for (const points of [scan, ours]) {
    const [first, second] = steps(points, 'x') as [number, number];
    expect(first).toBeGreaterThan(50);
    expect(second).toBeCloseTo(first);
  }
  const [first, second] = steps(scan, 'y') as [number, number];
  expect(first).toBeLessThan(-30);
  expect(second).toBeCloseTo(first);
  expect(steps(ours, 'y')).toEqual([0, 0]);
  expect(ours[0]?.y).toBeGreaterThan(scan[0]?.y ?? Number.NaN);
});

test('a rate is converted to a time before it is compared with its goal', async () => {
  const svg = await drawn([
    request('fast', 'µs', [1, 1, 1], [2, 2, 2], { atMost: 1 }),
    request('slow', 'µs', [40, 20, 60], [10, 10, 10], { atMost: 1.5 }),
    request('many', 'requests/s', [500, 500, 500], [1_000, 1_000, 1_000], { atLeast: 0.8 }),
    request('bytes', 'bytes', [1], [2], { atMost: 1 }),
    request('free', 'µs', [1], [2]),
  ]);
  const root = parseXml(svg.requests ?? '');
  const text = textOf(root);
  expect(text).toContain('0.5×, goal ≤ 1 ✓');
  expect(text).toContain('4×, goal ≤ 1.5 ✗');
  expect(text).toContain('2×, goal ≤ 1.25 ✗');
  expect(text).not.toContain('bytes');
  expect(text).not.toContain('free');
  const [fast, slow, many] = marks(root, 'mark-rect').map(({ fill }) => fill);
  expect(slow).toBe(many);
  expect(fast).not.toBe(slow);
});

test('a run without samples for a plot does not write the plot', async () => {
  expect(await drawn([request('get', 'bytes', [1], [1], { atMost: 1 })])).toEqual({});
});

test.each([
  '<a><b></a>',
  '<a>',
  '<a/><b/>',
  '<a b="1" b="2"/>',
  '<a b=1/>',
  '<a>&nope;</a>',
  '<a>1 & 2</a>',
  '<a>1 < 2</a>',
  '',
])('parseXml rejects %s', (xml) => {
  expect(() => parseXml(xml)).toThrow();
});
