import { brokenPromises, type Figures, MAX_RESPONSE_MS } from './figures.ts';
import type { Scenario } from './scenario.ts';

/** A scenario and its results. */
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

/** Like `brokenPromises`, but stale reads are expected if the scenario has a known limit, and their absence is a violation. */
export function judgeLimit(figures: Figures, knownLimit: string | undefined, slackMs = 0): string[] {
  if (knownLimit === undefined) return brokenPromises(figures, slackMs);
  const others = brokenPromises({ ...figures, stale: 0 }, slackMs);
  return figures.stale > 0 ? others : [...others, `the known limit did not occur: ${knownLimit}`];
}

const HEAD = [
  'fault',
  'requests',
  '503',
  'other failures',
  'slowest 503',
  'stale',
  'foreign, torn',
  'recovered after',
];

const HIT_RATES = ['hit rate in the same memory', 'bare `GET` and `SET`', 'ours', 'ratio'];

/** Formats the results as Markdown tables: one for faults, and one for hit rates if there are any. */
export function table(results: readonly Result[]): string {
  const compared = results.filter(({ figures }) => figures.notes.ratio !== undefined);
  const broken = results.filter((result) => !compared.includes(result));
  return [
    ...(broken.length > 0 ? [lines(HEAD, broken.map(faultRow))] : []),
    ...(compared.length > 0 ? [lines(HIT_RATES, compared.map(hitRateRow))] : []),
  ].join('\n\n');
}

function lines(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

function faultRow({ breaks, figures, knownLimit }: Result): string[] {
  const { '503 BACKEND_UNAVAILABLE': unavailable = 0 } = figures.failures;
  return [
    breaks,
    figures.requests.toLocaleString('en-US'),
    unavailable.toLocaleString('en-US'),
    otherFailures(figures),
    slowest503(figures),
    `${figures.stale}${knownLimit === undefined ? '' : ' (known limit)'}`,
    String(figures.foreign + figures.torn),
    recovery(figures),
  ];
}

function hitRateRow({ breaks, figures: { notes } }: Result): string[] {
  return [breaks, String(notes.bareHitRate), String(notes.hitRate), Number(notes.ratio).toFixed(2)];
}

function otherFailures({ failures, unexplained, timeouts }: Figures): string {
  const others = Object.entries(failures).filter(([name]) => name !== '503 BACKEND_UNAVAILABLE');
  const refused = others.filter(([name]) => name.startsWith('4'));
  const named = others
    .filter((other) => !refused.includes(other))
    .map(([name, count]) => `${count.toLocaleString('en-US')} × ${name}`);
  const refusals = refused.reduce((sum, [, count]) => sum + count, 0);
  if (refusals > 0) named.unshift(`${refusals.toLocaleString('en-US')} refused (4xx)`);
  if (timeouts > 0) named.push(`${timeouts} timeouts on a busy machine`);
  if (unexplained > 0) named.push(`${unexplained} unexplained`);
  return named.join(', ') || '0';
}

/** Formats the slowest 503 with the injected latency and, if it took more than a second, the lag of the machine. */
function slowest503({ slowest503Ms, injectedDelayMs, lagMs }: Figures): string {
  if (slowest503Ms === 0) return '';
  const late = slowest503Ms > MAX_RESPONSE_MS;
  const added = [
    ...(injectedDelayMs > 0 ? [`${injectedDelayMs} injected`] : []),
    ...(late ? [`machine lagged ${Math.round(lagMs)}`] : []),
  ];
  return `${Math.round(slowest503Ms)} ms${added.length > 0 ? ` (${added.join(', ')})` : ''}`;
}

function recovery({ recoveryMs }: Figures): string {
  const times = Object.values(recoveryMs);
  return times.length > 0 ? `${Math.round(Math.max(...times))} ms` : '';
}
