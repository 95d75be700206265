import type { ServerState } from '../store.ts';
import { allServersOf } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { sideBySide } from './connection/send-together.ts';

/** Asks every server that holds data, side by side. */
export function askServers(connection: Connection): Promise<ServerState[]> {
  return connection.run(
    async (client) => {
      // All sections: Redis before 7 answers no more than one that is named.
      const told = await sideBySide(
        client,
        allServersOf(client).map((server) => () => server.info()),
      );
      return told.map(readInfo);
    },
    { command: 'INFO' },
  );
}

/** Reads what `INFO` answers. Servers differ in what they tell, but not in how they call it. */
export function readInfo(text: string): ServerState {
  const fields = new Map<string, number>();
  for (const [, name = '', value] of text.matchAll(/^(\w+):(\d+(?:\.\d+)?)\r?$/gm))
    fields.set(name, Number(value));
  const usedBytes = fields.get('used_memory') ?? 0;
  const fromSystem = fields.get('used_memory_rss');
  return {
    usedBytes,
    limitBytes: fields.get('maxmemory') || undefined,
    // Some tell it themselves as well; made of these two it is the same of all.
    fragmentation: fromSystem && usedBytes > 0 ? fromSystem / usedBytes : undefined,
    evicted: fields.get('evicted_keys') ?? 0,
    connections: fields.get('connected_clients'),
  };
}
