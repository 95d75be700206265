import type { Script } from '../scripts/fragments.ts';
import { type Client, serversOf } from './client.ts';

export type Argument = string | Buffer | number;
type EvalCommand = 'evalBuffer' | 'evalshaBuffer';

/** ioredis's clients and pipelines have these commands, but its types omit them. */
export type Scripting<Result> = Record<
  EvalCommand,
  (script: string, keyCount: number, ...keysAndArgs: Argument[]) => Result
>;

/**
 * Runs a script in one round trip, or in two if the server does not have it yet.
 *
 * ioredis's own script commands send the whole text on the first call of every connection, although the server nearly always
 * has the script. In a function that would be every cold start.
 *
 * @returns the reply, with every string as a Buffer
 */
export function evaluate(
  client: Client,
  script: Script,
  keys: (string | Buffer)[],
  args: Argument[],
): Promise<unknown> {
  const scripting = client as Client & Scripting<Promise<unknown>>;
  return byHashOrText(script, (command, text) => scripting[command](text, keys.length, ...keys, ...args));
}

/** Sends the hash of a script, and its text if the server does not have the script. */
export async function byHashOrText<T>(
  { lua, sha1 }: Script,
  send: (command: EvalCommand, script: string) => Promise<T>,
): Promise<T> {
  try {
    return await send('evalshaBuffer', sha1);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return send('evalBuffer', lua);
  }
}

/**
 * Sends commands in one write to each server, so that all of them take one round trip.
 *
 * An ioredis pipeline cannot: a cluster's pipeline is limited to one server, and fails as a whole if one slot has moved. Here
 * every command is sent as if it were alone, while the servers' sockets are corked.
 *
 * @returns the replies, in order. All are awaited even if one fails: an abandoned command would harm the connection later.
 * @throws the error of the first command, in this order, that failed
 */
export async function sendTogether<T>(client: Client, commands: (() => Promise<T>)[]): Promise<T[]> {
  const [only] = commands;
  if (only && commands.length === 1) return [await only()];
  // A cluster's server has no socket before its first command.
  const sockets = serversOf(client).flatMap(({ stream }) => stream ?? []);
  for (const socket of sockets) socket.cork();
  let sent: Promise<T>[];
  try {
    sent = commands.map((send) => send());
  } finally {
    for (const socket of sockets) socket.uncork();
  }
  return awaitAll(sent);
}

/** As `Promise.all`, but rejects only when every promise has settled. */
export async function awaitAll<T extends readonly unknown[] | []>(
  promises: T,
): Promise<{ -readonly [Index in keyof T]: Awaited<T[Index]> }> {
  await Promise.allSettled(promises);
  return Promise.all(promises);
}
