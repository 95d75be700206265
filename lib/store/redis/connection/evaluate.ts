import type { Script } from '../scripts.ts';
import type { Client } from './client.ts';

type Argument = string | Buffer | number;

/** ioredis has these on every client and leaves them out of its types. */
interface BufferScripting {
  evalBuffer(lua: string, keyCount: number, ...keysAndArgs: Argument[]): Promise<unknown>;
  evalshaBuffer(sha1: string, keyCount: number, ...keysAndArgs: Argument[]): Promise<unknown>;
}

/**
 * Runs a script: one round trip, but for the first time after a server has started or forgotten its scripts.
 *
 * Not through ioredis's own script commands: these send the whole text on the first call of every connection, which for a
 * function is every cold start, though the server nearly always has it.
 *
 * @returns the reply with every string as a Buffer
 */
export async function evaluate(
  client: Client,
  { lua, sha1 }: Script,
  keys: (string | Buffer)[],
  args: Argument[],
): Promise<unknown> {
  const scripting = client as Client & BufferScripting;
  try {
    return await scripting.evalshaBuffer(sha1, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
    return scripting.evalBuffer(lua, keys.length, ...keys, ...args);
  }
}
