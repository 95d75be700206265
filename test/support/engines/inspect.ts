import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { parseBackendUrl } from '../../../lib/config/backend-url.ts';

/** Calls by command name, in lower case; subcommands as `config|get` where the engine counts them apart. */
export type CommandStats = Record<string, number>;

export interface RawOptions {
  /** The PEM certificate of a private authority to trust, for TLS. */
  ca?: string;
}

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * A connection of ioredis with nothing of the service around it, which looks at an engine from outside. It is connected when it
 * is returned and gone for good when it breaks, since a look that mends itself would hide what a test is after. The caller ends
 * it with `quit()`.
 *
 * @param url as `DRAGONFLY_URL` has it
 * @throws Error that says why the server cannot be reached
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
        // Certificates are for the name that was asked for, not for what it resolves to.
        dnsLookup: (address, done) => done(null, address),
        redisOptions: node,
      })
    : new Redis({ ...node, ...hosts[0], db, lazyConnect: true, retryStrategy: () => null });
  // The promise says only that there is no connection, the event says why.
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

/** Runs `action` on a {@link rawClient} and ends it afterwards. */
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

/** A connection to every master: to the one server, or to those of a cluster. They end with the client. */
export function masters(client: Redis | Cluster): Redis[] {
  return client instanceof Cluster ? client.nodes('master') : [client];
}

/**
 * What the engine has been sent since it started, by its own count: on a cluster the sum over the masters. Counts what scripts
 * call as well as what clients send, and what this look itself sends (`hello`, `info`).
 */
export function commandStats(url: string, options?: RawOptions): Promise<CommandStats> {
  return withRawClient(url, statsOf, options);
}

/**
 * What the engine was sent while `action` ran, `INFO` left out, since that is how it is found out. Only of use on a server that
 * nobody else talks to meanwhile.
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

/** The fields of one section of `INFO`. */
export async function infoFields(node: Redis, section: string): Promise<Record<string, string>> {
  return parseFields(await node.info(section));
}

/** Reads lines of `name:value`, the form of `INFO` and `CLUSTER INFO`. */
export function parseFields(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/^(\w+):(.*?)\r?$/gm)].map(([, name, value]) => [name, value]));
}
