/** To be imported by a process before anything else: at its end it writes how long the machine kept it waiting at worst. */
import { writeSync } from 'node:fs';
import { watchLag } from './lag.ts';

const lag = watchLag();
process.on('exit', () => {
  writeSync(1, `lag ${Math.round(lag())} ms\n`);
});
