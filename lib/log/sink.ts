import type { Config } from '../config/config.ts';
import { prettyPrint } from './pretty.ts';

/** Takes whole lines of the log. */
export type Sink = (line: string) => void;

/** Writes the log to stdout: pretty-printed if that is a terminal. */
export function createSink({ onLambda }: Pick<Config, 'onLambda'>): Sink {
  // Not buffered: a function is frozen after its response.
  if (onLambda) return (line) => process.stdout.write(line);
  return buffered(writeToStdout);
}

/** Writes whole lines to stdout at once: pretty-printed if that is a terminal. */
export function writeToStdout(lines: string): void {
  process.stdout.write(process.stdout.isTTY ? prettyPrint(lines) : lines);
}

/**
 * Buffers lines until the next turn of the event loop, so that concurrent requests share a write. At thousands of requests per second,
 * single writes would take 5 % of the time. The rest is written when the process exits.
 */
function buffered(write: Sink): Sink {
  let buffer = '';
  const flush = () => {
    if (buffer === '') return;
    const lines = buffer;
    buffer = '';
    write(lines);
  };
  process.on('exit', flush);
  return (line) => {
    if (buffer === '') setImmediate(flush);
    buffer += line;
  };
}
