import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { toSvg } from '../bench/plots/plot.ts';
import { picture } from './picture.ts';
import { type Run, run } from './run.ts';

const USAGE = `node test/dashboard/main.ts [--seconds N] [--rate N] [--into FILE.svg] [--json FILE]
node test/dashboard/main.ts --draw FILE [--into FILE.svg]

Runs a load on the local server with a real engine that has little memory, and draws the metrics of the service and of the
engine. --json writes the measurements to a file, from which --draw draws them again.`;

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '400' },
    into: { type: 'string', default: join(import.meta.dirname, 'dashboard.svg') },
    json: { type: 'string' },
    draw: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
const [seconds, rate] = [Number(values.seconds), Number(values.rate)];
if (values.help || !Number.isInteger(seconds) || seconds < 1 || !(rate >= 1)) {
  console.error(USAGE);
  process.exitCode = values.help ? 0 : 1;
} else {
  const made: Run =
    values.draw === undefined ? await run({ seconds, rate }) : JSON.parse(readFileSync(values.draw, 'utf8'));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(made, null, 2)}\n`);
  writeFileSync(values.into, `${await toSvg(picture(made))}\n`);
  console.error(`Wrote ${values.into}`);
}
