import { ConfigError } from '../../config/parse.ts';
import type { Client } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { type Argument, byHashOrText, evaluate, type Scripting } from './connection/send.ts';
import type { Script } from './scripts/fragments.ts';

/**
 * Runs the scripts that remove entries.
 *
 * A primary replies before its replicas have applied a removal. A replica that is promoted without it would return the removed
 * entries. With `WAIT_REPLICAS`, a removal therefore counts as done only when that many replicas have confirmed it.
 */
export interface RemovalExecutor {
  connection: Connection;
  /** As {@link evaluate}. Throws a transient error if too few replicas confirm; the script can then be run again. */
  evaluate: typeof evaluate;
}

/** TTL of the key that is written so that replicas have something to confirm, in milliseconds. */
const TOKEN_TTL_MS = 1000;

/** @param replicas that must confirm a removal; 0 waits for none */
export function createRemovalExecutor(connection: Connection, replicas: number): RemovalExecutor {
  const { confirmTimeoutMs } = connection.profile;
  return {
    connection,
    evaluate: replicas === 0 ? evaluate : (...call) => evaluateConfirmed(replicas, confirmTimeoutMs, ...call),
  };
}

/** @throws ConfigError if the backend has no WAIT command; BackendUnavailableError if it does not reply */
export async function requireWait(connection: Connection): Promise<void> {
  await connection
    .run((client) => client.call('WAIT', 0, 0), { command: 'WAIT' })
    .catch((error: Error) => {
      if (!isUnknownCommand(error)) throw error;
      throw new ConfigError('WAIT_REPLICAS', 'must be 0 here: the backend has no WAIT command');
    });
}

/**
 * Sends WAIT directly after the script on the same connection, so that both reach the same primary.
 *
 * WAIT waits for the last write of its own connection. A script that finds nothing to remove writes nothing, although another
 * connection may have removed the entry a moment ago and no replica may have applied that yet. So a token is written before WAIT.
 */
async function evaluateConfirmed(
  replicas: number,
  confirmTimeoutMs: number,
  client: Client,
  script: Script,
  keys: (string | Buffer)[],
  args: Argument[],
): Promise<unknown> {
  const token = `${keys[0]}:seen`;
  return byHashOrText(script, async (command, text) => {
    // Pipelines, since auto pipelining may delay a single command until after its WAIT.
    const scripting = client.pipeline() as unknown as Scripting<Pipeline>;
    const [scriptResults, waitResults] = await Promise.all([
      scripting[command](text, keys.length, ...keys, ...args).exec(),
      client.pipeline().set(token, '', 'PX', TOKEN_TTL_MS).call('WAIT', replicas, confirmTimeoutMs).exec(),
    ]);
    const [reply] = repliesOf(scriptResults);
    const [, confirmed] = repliesOf(waitResults, 'TRYAGAIN ');
    if (Number(confirmed) >= replicas) return reply;
    throw notConfirmed(`${confirmed} of ${replicas} have confirmed a removal`);
  });
}

interface Pipeline {
  exec(): Promise<[error: Error | null, reply: unknown][] | null>;
}

/**
 * @param movedPrefix put before the error of a slot that has moved; `TRYAGAIN ` makes the error transient
 * @throws the first error
 */
function repliesOf(results: [error: Error | null, reply: unknown][] | null, movedPrefix = ''): unknown[] {
  return (results ?? []).map(([error, reply]) => {
    if (!error) return reply;
    if (isUnknownCommand(error)) {
      throw notConfirmed('WAIT_REPLICAS is set, and the backend has no WAIT command');
    }
    if (/^(MOVED|ASK) /.test(error.message)) throw new Error(`${movedPrefix}${error.message}`);
    throw error;
  });
}

/** Begins as a server's own error for too few replicas, and so fails at once with a 503. */
function notConfirmed(reason: string): Error {
  return new Error(`NOREPLICAS ${reason}`);
}

function isUnknownCommand({ message }: Error): boolean {
  return /^ERR unknown command/i.test(message);
}
