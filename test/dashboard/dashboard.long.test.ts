import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { METRICS } from '../../lib/observability/metric-names.ts';
import { parseXml, textOf } from '../bench/plots/svg.ts';
import type { Run } from './run.ts';
import { samplesOf, type Timed } from './samples.ts';

const run = promisify(execFile);
const MAIN = join(import.meta.dirname, 'main.ts');

let directory: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-dashboard-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

test('a short run records hits, misses, sets and the used memory, and draws them', async () => {
  const [into, json] = [join(directory, 'a.svg'), join(directory, 'run.json')];
  await run(process.execPath, [MAIN, '--seconds', '4', '--rate', '100', '--into', into, '--json', json]);
  const { samples, happenings, limit, machine }: Run = JSON.parse(await readFile(json, 'utf8'));
  expect(samples).toHaveLength(4);
  const sum = (field: 'hits' | 'misses' | 'sets') => samples.reduce((total, each) => total + each[field], 0);
  expect(sum('hits')).toBeGreaterThan(0);
  expect(sum('misses')).toBeGreaterThan(0);
  // A miss at the very end may be set after the run.
  expect(sum('sets')).toBeLessThanOrEqual(sum('misses'));
  expect(sum('sets')).toBeGreaterThan(0);
  for (const { memory } of samples.slice(1)) {
    expect(memory).toBeGreaterThan(0);
    expect(memory).toBeLessThan(2 * limit);
  }
  expect(happenings.map(({ what }) => what)).toEqual([
    expect.stringMatching(/^invalidate .*: [\d,]+ entries$/),
    'clear the tenant',
  ]);

  const words = textOf(parseXml(await readFile(into, 'utf8')));
  for (const word of [
    'Hit rate',
    'Time of gets',
    'Requests',
    'Memory',
    'evicted',
    'clear the tenant',
    machine.engine,
  ]) {
    expect(words).toContain(word);
  }
  const again = join(directory, 'again.svg');
  await run(process.execPath, [MAIN, '--draw', json, '--into', again]);
  expect(await readFile(again, 'utf8')).toBe(await readFile(into, 'utf8'));
});

test('a sample contains the metrics of its own second only', () => {
  const metric = (time: number, { name, unit }: { name: string; unit: string }, value: number): Timed => ({
    ...{ time, name, unit, values: [value], namespace: 'n' },
    dimensions: { service: 's', operation: 'get' },
  });
  const times = Array.from({ length: 100 }, (_, index) => metric(1500, METRICS.latency, index + 1));
  const metrics = [
    metric(1000, METRICS.hits, 3),
    metric(1999, METRICS.misses, 1),
    metric(2000, METRICS.hits, 5),
    ...times,
  ];
  const states = [
    { time: 1100, usedMemory: 10, evictedKeys: 2 },
    { time: 2100, usedMemory: 20, evictedKeys: 9 },
  ];
  const [first, second, third] = samplesOf(metrics, states, { begin: 1000, seconds: 3 });
  expect(first).toMatchObject({
    hits: 3,
    misses: 1,
    sets: 0,
    hitRate: 75,
    p50: 50,
    p95: 95,
    p99: 99,
    memory: 10,
  });
  expect(second).toMatchObject({ hits: 5, misses: 0, hitRate: 100, p50: null, memory: 20, evicted: 7 });
  expect(third).toMatchObject({ hits: 0, hitRate: null, memory: 20, evicted: 0 });
});
