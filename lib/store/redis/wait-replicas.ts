import { ConfigError } from '../../config/parse.ts';
import type { Client } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { evaluate } from './connection/evaluate.ts';

/**
 * How entries are removed: on which connection, and what must have happened for a script to count as run.
 *
 * A master answers before its replicas know. One that is promoted without having seen a removal serves the entries again, so
 * where that must not be a removal counts only when replicas have it too.
 */
export interface Removals {
  connection: Connection;
  /** As {@link evaluate}; a script that came to too few replicas throws, and is safe to run again. */
  evaluate: typeof evaluate;
}

/** How long what is written to be confirmed lies there, in milliseconds. */
const TOKEN_TTL_MS = 1000;

/** @param replicas that must have what was removed; 0 asks none */
export function removals(connection: Connection, replicas: number): Removals {
  return {
    connection,
    evaluate:
      replicas === 0
        ? evaluate
        : (...call) => evaluateConfirmed(replicas, connection.profile.confirmTimeoutMs, ...call),
  };
}

/** @throws ConfigError when the backend knows no WAIT; BackendUnavailableError when it cannot be asked */
export async function requireWait(connection: Connection): Promise<void> {
  await connection
    .run((client) => client.call('WAIT', 0, 0), { command: 'WAIT' })
    .catch((error: Error) => {
      if (!isUnknownCommand(error)) throw error;
      throw new ConfigError('WAIT_REPLICAS', 'must be 0 here: the backend has no WAIT command');
    });
}

/**
 * The confirmation travels behind the script on the same connection, so that it is the same master's. It begins with a write
 * of its own, since WAIT waits for what its connection has written last: a script that found nothing left to remove has
 * written nothing, and what it did not find may have gone a moment ago, on another connection, unseen by any replica.
 */
async function evaluateConfirmed(
  replicas: number,
  confirmTimeoutMs: number,
  client: Client,
  ...[script, keys, args]: Evaluation
): Promise<unknown> {
  // Not by the client's own methods: these may put a command off until the end of the tick, behind its confirmation.
  const send = async (run: (pipeline: Pipeline) => Pipeline): Promise<unknown> => {
    const token = `${keys[0]}:seen`;
    const [ran, confirmed] = await Promise.all([
      run(client.pipeline() as unknown as Pipeline).exec(),
      client.pipeline().set(token, '', 'PX', TOKEN_TTL_MS).call('WAIT', replicas, confirmTimeoutMs).exec(),
    ]);
    const [answer] = answersOf(ran);
    const [, seen] = answersOf(confirmed, 'TRYAGAIN ');
    if (Number(seen) >= replicas) return answer;
    throw notConfirmed(`${seen} of ${replicas} have confirmed a removal`);
  };
  try {
    return await send((pipeline) => pipeline.evalshaBuffer(script.sha1, keys.length, ...keys, ...args));
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return send((pipeline) => pipeline.evalBuffer(script.lua, keys.length, ...keys, ...args));
  }
}

type Evaluation = Parameters<typeof evaluate> extends [Client, ...infer Rest] ? Rest : never;

/** ioredis has these on every pipeline and leaves them out of its types. */
interface Pipeline {
  evalBuffer(lua: string, keyCount: number, ...keysAndArgs: unknown[]): Pipeline;
  evalshaBuffer(sha1: string, keyCount: number, ...keysAndArgs: unknown[]): Pipeline;
  exec(): Promise<[error: Error | null, answer: unknown][] | null>;
}

/** @throws the first error, with a slot that has moved meanwhile turned into one after which another try is made */
function answersOf(results: [error: Error | null, answer: unknown][] | null, moved = ''): unknown[] {
  return (results ?? []).map(([error, answer]) => {
    if (!error) return answer;
    if (isUnknownCommand(error)) {
      throw notConfirmed('WAIT_REPLICAS is set, and the backend has no WAIT command');
    }
    if (/^(MOVED|ASK) /.test(error.message)) throw new Error(`${moved}${error.message}`);
    throw error;
  });
}

/** The word by which a server says that it has too few replicas to write to: it is told as such, and at once. */
function notConfirmed(why: string): Error {
  return new Error(`NOREPLICAS ${why}`);
}

function isUnknownCommand({ message }: Error): boolean {
  return /^ERR unknown command/i.test(message);
}
