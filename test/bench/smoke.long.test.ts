import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../support/engines/needs.ts';
import { parts } from './parts/index.ts';
import type { Result } from './report.ts';

const MAIN = join(import.meta.dirname, 'main.ts');

/** Directory for temporary files of the run. */
let temporary: string;
let directory: string;
let group = Number.NaN;
let code: number;
let printed: string;
let results: Result[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-smoke-'));
  temporary = join(directory, 'tmp');
  await mkdir(temporary);
  const json = join(directory, 'bench.json');
  // In a new process group, which includes all processes that it starts.
  const child = spawn(process.execPath, [MAIN, '--tiny', '--json', json], {
    cwd: directory,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  if (child.pid === undefined) throw new Error('The benchmarks could not be started');
  group = child.pid;
  const [out, errors, [exitCode]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  [code, printed] = [exitCode, out];
  if (code !== 0) throw new Error(`The benchmarks exited with ${code}:\n${errors}`);
  ({ results } = JSON.parse(await readFile(json, 'utf8')));
}, 600_000);

afterAll(async () => {
  if (isAlive()) process.kill(-group, 'SIGKILL');
  await rm(directory, { recursive: true, force: true });
});

/** Whether any process of the run is still alive. */
function isAlive(): boolean {
  try {
    return process.kill(-group, 0);
  } catch {
    return false;
  }
}

it('a tiny run of the benchmarks has a finite, positive ratio for every comparison of every part', () => {
  expect(new Set(results.map(({ part }) => part))).toEqual(new Set(parts.map(({ name }) => name)));
  for (const { what, ratio } of results) {
    expect(ratio, what).toBeGreaterThan(0);
    expect(ratio, what).toBeLessThan(Number.POSITIVE_INFINITY);
  }
});

it('a tiny run of the benchmarks compares get and set with every variant of the standard parts', () => {
  const rowsOf = (what: string) => results.filter((result) => result.part === 'peer' && result.what === what);
  const anchorsOf = (what: string) => rowsOf(what).map(({ anchor }) => anchor);
  const zod = 'standard parts with zod';
  const both = [zod, 'standard parts with @middy/validator'];
  expect(anchorsOf('warm get of 1 kB, time')).toEqual([zod]);
  expect(anchorsOf('warm set of 1 kB, time')).toEqual(both);
  expect(anchorsOf('cold start of get, until the first response')).toEqual([zod]);
  expect(anchorsOf('code that a cold start of set reads')).toEqual(both);
  for (const what of ['log of a warm get', 'log of a warm set']) expect(rowsOf(what)).toHaveLength(1);
  // The goal of the set is for the faster variant.
  expect(rowsOf('warm set of 1 kB, time').filter(({ goal }) => goal)).toHaveLength(1);
});

describe('webdis', () => {
  needs('webdis');

  it('is compared with the local server in a tiny run of the benchmarks', () => {
    expect(new Set(results.map(({ anchor }) => anchor))).toContain('webdis');
  });
});

it('a tiny run of the benchmarks prints all comparisons', () => {
  for (const { what } of results) expect(printed).toContain(what);
});

it('the benchmarks leave no process and no file behind', async () => {
  await expect.poll(isAlive).toBe(false);
  await expect.poll(() => readdir(temporary)).toEqual([]);
});
