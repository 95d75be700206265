import { cpus } from 'node:os';
import { findEngine, versionOf } from '../support/engines/find.ts';
import { type Comparison, median, ratioOf, type Size } from './part.ts';

/** A comparison with its result. */
export interface Result extends Comparison {
  part: string;
  ratio: number;
  /** Undefined if there is no goal. */
  met: boolean | undefined;
}

export function judge(part: string, comparison: Comparison): Result {
  const ratio = ratioOf(comparison);
  const { goal } = comparison;
  const met = goal && ('atMost' in goal ? ratio <= goal.atMost : ratio >= goal.atLeast);
  return { ...comparison, part, ratio, met };
}

/** The date and the machine of the measurement. */
export interface Machine {
  /** `2026-11-22`. */
  date: string;
  /** `v24.21.0`. */
  node: string;
  /** The server, such as `redis-server 7.0.15`. */
  engine: string;
  /** Number and model of the cores. */
  cpu: string;
}

/** The results of a run, written as JSON. */
export interface Report {
  machine: Machine;
  size: Size;
  rounds: number;
  results: Result[];
}

export async function machine(): Promise<Machine> {
  const [cpu] = cpus();
  const engine = await findEngine();
  return {
    date: new Date().toISOString().slice(0, 10),
    node: process.version,
    engine: `${engine.name} ${await versionOf(engine)}`,
    cpu: `${cpus().length} × ${cpu?.model.trim() ?? 'unknown'}`,
  };
}

/** Formats the results as a Markdown table that is aligned as plain text. */
export function table(results: Result[]): string {
  const head = ['what', 'ours', 'anchor', '', 'ratio', 'goal'];
  const rows = results.map(({ what, anchor, unit, ours, theirs, ratio, goal, met }) => [
    what,
    amount(median(ours), unit),
    amount(median(theirs), unit),
    anchor,
    `${significant(ratio)}×`,
    goal ? `${'atMost' in goal ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`} ${met ? '✓' : '✗'}` : '',
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function amount(value: number, unit: string): string {
  return `${significant(value)} ${unit}`;
}

/** Formats a number with three significant digits and separators for thousands. */
export function significant(value: number): string {
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(digits, 3) });
}
