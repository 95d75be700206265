import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { type Figures, noFigures } from './harness/figures.ts';
import { type Result, resultOf, table } from './harness/report.ts';
import { newRun } from './harness/scenario.ts';
import { scenarios } from './scenarios.ts';

const USAGE = `npm run faults [-- [--short] [--json FILE] [SCENARIO…]]

Scenarios: ${scenarios.map(({ name }) => name).join(', ')}; all of them unless named, in their long form unless --short is given, which breaks less and for less long.`;

/** Runs the scenarios that are named on the command line, prints their table and writes their figures as JSON. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      short: { type: 'boolean', default: false },
      json: { type: 'string', default: 'faults.json' },
      help: { type: 'boolean', default: false },
    },
  });
  const unknown = positionals.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (values.help || unknown.length > 0) {
    console.error(unknown.length > 0 ? `There is no scenario ${unknown.join(', ')}.\n${USAGE}` : USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const chosen = scenarios.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results: Result[] = [];
  for (const [index, scenario] of chosen.entries()) {
    const place = `[${index + 1}/${chosen.length}]`;
    console.error(`${place} ${scenario.name}, after ${Math.round(process.uptime())} s: ${scenario.breaks}`);
    const begun = performance.now();
    const run = newRun(values.short ? 'short' : 'long', (line) => console.error(`   ${line}`));
    const figures = await scenario.run(run).catch(neverEnded);
    const result = resultOf(scenario, figures, (performance.now() - begun) / 1000);
    results.push(result);
    tell(result);
  }
  console.log(`\n${table(results)}\n`);
  writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  console.error(`Figures are in ${values.json}.`);
  if (results.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
}

/** A scenario that could not be run to its end has shown nothing. */
function neverEnded(error: Error): Figures {
  return { ...noFigures(), unexplained: 1, problems: [error.stack ?? error.message] };
}

function tell({ seconds, figures, broken, knownLimit }: Result): void {
  const { requests, hits, failures, slowestMs, lagMs, recoveryMs, notes } = figures;
  console.error(
    `   ${seconds.toFixed(1)} s: ${requests} requests, ${hits} hits, slowest ${Math.round(slowestMs)} ms, lag ${Math.round(lagMs)} ms`,
  );
  console.error(`   failures ${JSON.stringify(failures)}, recovery ${JSON.stringify(recoveryMs, rounded)}`);
  for (const [name, note] of Object.entries(notes)) console.error(`   ${name}: ${note}`);
  for (const promise of broken) console.error(`   BROKEN: ${promise}`);
  const kind = knownLimit === undefined ? '' : `known limit, ${knownLimit}: `;
  for (const problem of figures.problems) console.error(`   - ${kind}${problem}`);
}

const rounded = (_name: string, value: unknown) => (typeof value === 'number' ? Math.round(value) : value);

await main();
// What watches over sandboxes stays until this process ends, and would keep it from ending by itself.
process.exit();
