import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Size } from './part.ts';
import { parts } from './parts/index.ts';
import { drawPlots } from './plots/index.ts';
import { judge, machine, type Report, type Result, table } from './report.ts';

/** Default number of rounds. With more, a full run takes longer than ten minutes. */
const ROUNDS = 3;

const USAGE = `npm run bench -- [--tiny] [--rounds N] [--json FILE] [--into DIRECTORY] [PART …]
npm run bench -- --plot FILE [--into DIRECTORY]

Parts: ${parts.map(({ name }) => name).join(', ')}; all of them unless named.
A whole run draws the plots in test/bench/plots again; any other run draws those that it has samples for, in the directory of --into.
With --plot they are drawn from the samples of an earlier run.`;

/** The plots that docs/performance.md links to. */
const PLOTS = join(import.meta.dirname, 'plots');

/** Runs the command given on the command line. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tiny: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'string', default: 'bench.json' },
      plot: { type: 'string' },
      into: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const size: Size = values.tiny ? 'tiny' : 'full';
  const rounds = Number(values.rounds ?? (values.tiny ? 1 : ROUNDS));
  const unknown = positionals.filter((name) => !parts.some((part) => part.name === name));
  if (values.help || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    console.error(unknown.length > 0 ? `Unknown part: ${unknown.join(', ')}.\n${USAGE}` : USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  if (values.plot !== undefined) {
    const report: Report = JSON.parse(readFileSync(values.plot, 'utf8'));
    return draw(report, values.into ?? PLOTS);
  }
  const report = await measure(size, rounds, positionals);
  writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  console.error(`Wrote the samples to ${values.json}.`);
  const whole = size === 'full' && positionals.length === 0;
  const into = values.into ?? (whole ? PLOTS : undefined);
  if (into !== undefined) await draw(report, into);
}

/** Runs the given parts, or all of them, and prints the table of each. */
async function measure(size: Size, rounds: number, names: string[]): Promise<Report> {
  const chosen = parts.filter(({ name }) => names.length === 0 || names.includes(name));
  const results: Result[] = [];
  for (const [index, part] of chosen.entries()) {
    console.error(`[${index + 1}/${chosen.length}] ${part.name}, after ${Math.round(process.uptime())} s`);
    const comparisons = await part.run({ size, rounds, say: (line) => console.error(`   ${line}`) });
    const judged = comparisons.map((comparison) => judge(part.name, comparison));
    console.log(`\n${table(judged)}\n`);
    results.push(...judged);
  }
  return { machine: await machine(), size, rounds, results };
}

async function draw(report: Report, directory: string): Promise<void> {
  for (const file of await drawPlots(report, directory)) console.error(`Wrote ${file}`);
}

await main();
