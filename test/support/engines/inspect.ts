import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { parseBackendUrl } from '../../../lib/config/backend-url.ts';

/** Number of calls by command name in lower case. Engines that count subcommands separately use `config|get`. */
export type CommandStats = Record<string, number>;

export interface RawOptions {
  /** The PEM certificate of a private authority to trust with TLS. */
  ca?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Returns a connected ioredis client that uses none of the service's code. It does not reconnect, because that would hide faults
 * which a test looks for. The caller closes it with `quit()`.
 *
 * @param url in the format of `DRAGONFLY_URL`
 * @throws Error with the reason if the server is unreachable
 */
export async function rawClient(url: string, { ca }: RawOptions = {}): Promise<Redis | Cluster> {
  const { hosts, cluster, tls, username, password, db } = parseBackendUrl(url);
  const node: RedisOptions = {
    username,
    password,
    connectTimeout: CONNECT_TIMEOUT_MS,
    tls: tls ? { ca } : undefined,
  };
  const client = cluster
    ? new Cluster(hosts, {
        lazyConnect: true,
        clusterRetryStrategy: () => null,
        // Certificates contain the requested name, not the address that it resolves to.
        dnsLookup: (address, done) => done(null, address),
        redisOptions: node,
      })
    : new Redis({ ...node, ...hosts[0], db, lazyConnect: true, retryStrategy: () => null });
  // The rejected promise says only that there is no connection. The event has the reason.
  let reason: unknown;
  client.on('error', (error) => {
    reason = error;
  });
  try {
    await client.connect();
  } catch (error) {
    client.disconnect();
    throw reason ?? error;
  }
  return client;
}

/** Runs `action` with a {@link rawClient} and closes it afterwards. */
export async function withRawClient<T>(
  url: string,
  action: (client: Redis | Cluster) => Promise<T>,
  options?: RawOptions,
): Promise<T> {
  const client = await rawClient(url, options);
  try {
    return await action(client);
  } finally {
    client.disconnect();
  }
}

/** Returns a connection to every master of a cluster, or to the single server. They are closed with the client. */
export function masters(client: Redis | Cluster): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/**
 * Returns the number of commands that the engine has executed since its start; for a cluster the sum over its masters. Includes
 * commands that scripts call, and those of this query itself (`hello`, `info`).
 */
export function commandStats(url: string, options?: RawOptions): Promise<CommandStats> {
  return withRawClient(url, statsOf, options);
}

/**
 * Returns the commands that the engine executed while `action` ran, without `INFO`, which this query uses. Requires a server
 * without other clients.
 */
export function commandsDuring(
  url: string,
  action: () => Promise<unknown>,
  options?: RawOptions,
): Promise<CommandStats> {
  return withRawClient(
    url,
    async (client) => {
      const before = await statsOf(client);
      await action();
      const after = await statsOf(client);
      const during: CommandStats = {};
      for (const [command, calls] of Object.entries(after)) {
        const sent = calls - (before[command] ?? 0);
        if (sent > 0 && command !== 'info') during[command] = sent;
      }
      return during;
    },
    options,
  );
}

async function statsOf(client: Redis | Cluster): Promise<CommandStats> {
  const stats: CommandStats = {};
  for (const node of masters(client)) {
    for (const [command, calls] of parseCommandStats(await node.info('commandstats'))) {
      stats[command] = (stats[command] ?? 0) + calls;
    }
  }
  return stats;
}

function parseCommandStats(info: string): [command: string, calls: number][] {
  return [...info.matchAll(/^cmdstat_(\S+?):calls=(\d+)/gm)].map(([, command = '', calls]) => [
    command.toLowerCase(),
    Number(calls),
  ]);
}

/** Returns the fields of one section of `INFO`. */
export async function infoFields(node: Redis, section: string): Promise<Record<string, string>> {
  return parseFields(await node.info(section));
}

/** Parses lines of `name:value`, the format of `INFO` and `CLUSTER INFO`. */
export function parseFields(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value]));
}
