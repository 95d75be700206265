import type { ServerState } from '../store.ts';
import { allServersOf } from './connection/client.ts';
import type { Connection } from './connection/connection.ts';
import { sendTogether } from './connection/send.ts';

/** Reads `INFO` from every server that holds data. */
export function readServerStates(connection: Connection): Promise<ServerState[]> {
  return connection.run(
    async (client) => {
      // All sections: before version 7, Redis accepts at most one section name.
      const replies = await sendTogether(
        client,
        allServersOf(client).map((server) => () => server.info()),
      );
      return replies.map(parseInfo);
    },
    { command: 'INFO' },
  );
}

/** Parses a reply to `INFO`. Which fields it has depends on the server, but not their names. */
export function parseInfo(text: string): ServerState {
  const fields = new Map<string, number>();
  for (const [, name = '', value] of text.matchAll(/^(\w+):(\d+(?:\.\d+)?)\r?$/gm))
    fields.set(name, Number(value));
  const usedBytes = fields.get('used_memory') ?? 0;
  const residentBytes = fields.get('used_memory_rss');
  return {
    usedBytes,
    limitBytes: fields.get('maxmemory') || undefined,
    evicts: !/^maxmemory_policy:noeviction\r?$/m.test(text),
    // Not `mem_fragmentation_ratio`, which some servers do not report.
    fragmentation: residentBytes && usedBytes > 0 ? residentBytes / usedBytes : undefined,
    evicted: fields.get('evicted_keys') ?? 0,
    connections: fields.get('connected_clients'),
  };
}
