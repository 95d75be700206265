import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { Size } from './part.ts';
import { parts } from './parts/index.ts';
import { judge, machine, type Result, table } from './report.ts';

const USAGE = `npm run bench -- [--tiny] [--rounds N] [--json FILE] [PART …]

Parts: ${parts.map(({ name }) => name).join(', ')}; all of them unless named.`;

/** Runs the benchmarks that are named on the command line, prints their table and writes their samples as JSON. */
async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      tiny: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'string', default: 'bench.json' },
      help: { type: 'boolean', default: false },
    },
  });
  const size: Size = values.tiny ? 'tiny' : 'full';
  const rounds = Number(values.rounds ?? (values.tiny ? 1 : 7));
  const unknown = positionals.filter((name) => !parts.some((part) => part.name === name));
  if (values.help || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1) {
    console.error(unknown.length > 0 ? `There is no part ${unknown.join(', ')}.\n${USAGE}` : USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const chosen = parts.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  const results: Result[] = [];
  for (const part of chosen) {
    console.error(`== ${part.name}`);
    const comparisons = await part.run({ size, rounds, say: (line) => console.error(`   ${line}`) });
    const judged = comparisons.map((comparison) => judge(part.name, comparison));
    console.log(`\n${table(judged)}\n`);
    results.push(...judged);
  }
  writeFileSync(values.json, `${JSON.stringify({ machine: machine(), size, rounds, results }, null, 2)}\n`);
  console.error(`Samples are in ${values.json}.`);
}

await main();
