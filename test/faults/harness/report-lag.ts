/** Preloaded into a process with `--import`. At exit it writes the longest time in which the process did not get the processor. */
import { writeSync } from 'node:fs';
import { watchLag } from './lag.ts';

const lag = watchLag();
process.on('exit', () => {
  writeSync(1, `lag ${Math.round(lag())} ms\n`);
});
