import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/**
 * Imports the bundle that the command line names, in a process that does nothing else, and writes to file descriptor 3 when
 * its handler was there. It is run bundled, since Node would need time to make JavaScript of it.
 */

/** Times by the system's monotonic clock, in nanoseconds, which all of its processes share. */
export interface Start {
  /** Node itself had started. */
  began: string;
  /** The handler was there. */
  ready: string;
  /** What it answered to the event on the command line. */
  status: number;
}

const began = process.hrtime.bigint();
const [, , file = '', event = ''] = process.argv;
const { handler } = await import(pathToFileURL(file).href);
const ready = process.hrtime.bigint();
// Without a connection, a handler that needs one answers something else.
const { statusCode } = await handler(JSON.parse(event), {});
const start: Start = { began: String(began), ready: String(ready), status: statusCode };
writeSync(3, JSON.stringify(start));
process.exit();
