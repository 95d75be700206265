import { brokenPromises, type Figures } from './figures.ts';
import type { Scenario } from './scenario.ts';

/** A scenario and what came of it. */
export interface Result {
  name: string;
  breaks: string;
  knownLimit: string | undefined;
  seconds: number;
  figures: Figures;
  broken: string[];
}

export function resultOf({ name, breaks, knownLimit }: Scenario, figures: Figures, seconds: number): Result {
  return { name, breaks, knownLimit, seconds, figures, broken: judgeLimit(figures, knownLimit) };
}

/** A known limit is what it is; a scenario that no longer shows it has lost its point. */
export function judgeLimit(figures: Figures, knownLimit: string | undefined, slackMs = 0): string[] {
  if (knownLimit === undefined) return brokenPromises(figures, slackMs);
  const others = brokenPromises({ ...figures, stale: 0 }, slackMs);
  return figures.stale > 0 ? others : [...others, `it shows no longer that ${knownLimit}`];
}

const HEAD = [
  'what is broken',
  'requests',
  '503',
  'other failures',
  'slowest 503',
  'stale',
  'foreign, torn',
  'well again after',
];

/** The results as a table that is both plain text and Markdown. */
export function table(results: readonly Result[]): string {
  const rows = results.map(({ breaks, figures, knownLimit }) => {
    const { '503 BACKEND_UNAVAILABLE': unavailable = 0 } = figures.failures;
    return [
      breaks,
      figures.requests.toLocaleString('en-US'),
      unavailable.toLocaleString('en-US'),
      otherFailures(figures),
      figures.slowest503Ms > 0 ? `${Math.round(figures.slowest503Ms)} ms${delay(figures)}` : '',
      `${figures.stale}${knownLimit === undefined ? '' : ' (known limit)'}`,
      String(figures.foreign + figures.torn),
      recovery(figures),
    ];
  });
  const widths = HEAD.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)),
  );
  const line = (cells: string[]) => `| ${cells.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' | ')} |`;
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n');
}

function otherFailures({ failures, unexplained, timeouts }: Figures): string {
  const others = Object.entries(failures).filter(([name]) => name !== '503 BACKEND_UNAVAILABLE');
  const named = others.map(([name, count]) => `${count} × ${name}`);
  if (timeouts > 0) named.push(`${timeouts} timeouts of a busy machine`);
  if (unexplained > 0) named.push(`${unexplained} unexplained`);
  return named.join(', ') || '0';
}

function delay({ injectedDelayMs }: Figures): string {
  return injectedDelayMs > 0 ? ` (${injectedDelayMs} injected)` : '';
}

function recovery({ recoveryMs }: Figures): string {
  const times = Object.values(recoveryMs);
  return times.length > 0 ? `${Math.round(Math.max(...times))} ms` : '';
}
