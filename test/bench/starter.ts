import { writeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { context } from './context.ts';

/**
 * A process that imports the bundle given on the command line, and writes the times of its start to file descriptor 3. It is run as
 * a bundle, because Node would need time to strip the types.
 */

/** Times of the system's monotonic clock, which all processes share, in nanoseconds. */
export interface Start {
  /** After the start of Node itself. */
  began: string;
  /** After the handler was loaded. */
  ready: string;
  /** After the response to the first event. */
  responded: string;
  /** Status of the response to the event on the command line. */
  status: number;
}

const began = process.hrtime.bigint();
const [, , file = '', event = ''] = process.argv;
const { handler } = await import(pathToFileURL(file).href);
const ready = process.hrtime.bigint();
// A handler without a connection returns another status.
const { statusCode } = await handler(JSON.parse(event), context);
const responded = process.hrtime.bigint();
const start: Start = {
  began: String(began),
  ready: String(ready),
  responded: String(responded),
  status: statusCode,
};
writeSync(3, JSON.stringify(start));
process.exit();
