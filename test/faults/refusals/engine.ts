import { findClusterEngine } from '../../support/engines/find.ts';
import { masters, withRawClient } from '../../support/engines/inspect.ts';
import { type Server, type ServerOptions, startServer } from '../../support/engines/server.ts';

/** Starts a Redis or Valkey server, which commands can put into every state. */
export async function startObedientServer(options: ServerOptions = {}): Promise<Server> {
  return startServer({ engine: await findClusterEngine(), ...options });
}

export type Command = [name: string, ...args: (string | number)[]];

/** Sends commands to a server one after another as its administrator. */
export async function administer(
  { url, ca }: Pick<Server, 'url' | 'ca'>,
  ...commands: Command[]
): Promise<void> {
  await withRawClient(
    url,
    async (client) => {
      for (const node of masters(client))
        for (const [name, ...args] of commands) await node.call(name, ...args);
    },
    { ca },
  );
}

/** Closes all client connections except the one that sends the command. */
export const KILL_ALL: Command = ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'];
