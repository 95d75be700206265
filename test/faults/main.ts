import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { emptyFigures, type Figures } from './harness/figures.ts';
import { type Result, resultOf, table } from './harness/report.ts';
import { newRun } from './harness/scenario.ts';
import { scenarios } from './scenarios.ts';

const USAGE = `npm run faults [-- [--short] [--json FILE] [SCENARIO…]]

Scenarios: ${scenarios.map(({ name }) => name).join(', ')}; all of them by default. --short runs shorter forms with fewer and shorter faults.`;

/** Runs the scenarios given on the command line, prints the table of results and writes the figures as JSON. */
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
    console.error(unknown.length > 0 ? `Unknown scenario: ${unknown.join(', ')}.\n${USAGE}` : USAGE);
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
    const figures = await scenario.run(run).catch(abortedFigures);
    const result = resultOf(scenario, figures, (performance.now() - begun) / 1000);
    results.push(result);
    printResult(result);
  }
  console.log(`\n${table(results)}\n`);
  writeFileSync(values.json, `${JSON.stringify(results, null, 2)}\n`);
  console.error(`Wrote the figures to ${values.json}.`);
  if (results.some(({ broken }) => broken.length > 0)) process.exitCode = 1;
}

/** Figures of a scenario that threw an error. */
function abortedFigures(error: Error): Figures {
  return { ...emptyFigures(), unexplained: 1, problems: [error.stack ?? error.message] };
}

function printResult({ seconds, figures, broken, knownLimit }: Result): void {
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
// The supervisor of the sandboxes runs until this process ends, and would keep the process alive.
process.exit();
