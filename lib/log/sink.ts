import type { Config } from '../config/config.ts';
import { readable } from './pretty.ts';

/** Takes whole lines of the log. */
export type Sink = (line: string) => void;

/** Where the log goes: to stdout, for people where that is a terminal. */
export function createSink({ onLambda }: Pick<Config, 'onLambda'>): Sink {
  // Not a moment later: with its answer a function is frozen.
  if (onLambda) return (line) => process.stdout.write(line);
  const forPeople = process.stdout.isTTY;
  return gathering((lines) => process.stdout.write(forPeople ? readable(lines) : lines));
}

/**
 * One write for the lines of many requests: a server that answers thousands a second would spend a twentieth of its time on
 * writing them one by one. What is still held back when the process ends is written then.
 */
function gathering(write: Sink): Sink {
  let held = '';
  const release = () => {
    if (held === '') return;
    const lines = held;
    held = '';
    write(lines);
  };
  process.on('exit', release);
  return (line) => {
    if (held === '') setImmediate(release);
    held += line;
  };
}
