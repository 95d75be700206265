import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { pauseAfter } from '../../../time.ts';
import { connectorReporting } from './connector.ts';
import type { Access } from './credentials.ts';
import type { ConnectionProfile } from './profiles.ts';

/** A connection to one server, or to a cluster of them. */
export type Client = Redis | Cluster;

/**
 * Creates a client that is not yet connected. It reconnects until it is closed. Each connection logs in with what `access.login()`
 * returns when it is opened.
 *
 * @param report called with one line for each problem of a connection; problems may repeat
 */
export function createClient(
  access: Access,
  profile: ConnectionProfile,
  report: (problem: string) => void = () => {},
): Client {
  const { hosts, cluster, tls, db } = access.address;
  const options: RedisOptions = {
    ...access.login(),
    Connector: connectorReporting(report),
    db,
    tls: tls ? { ca: access.ca } : undefined,
    connectTimeout: profile.connectTimeoutMs,
    socketTimeout: profile.socketTimeoutMs,
    // Some services reject CLIENT SETINFO.
    disableClientInfo: true,
  };
  if (!cluster) {
    const client: Redis = new Redis({
      ...options,
      ...hosts[0],
      lazyConnect: true,
      retryStrategy: (attempt) => {
        Object.assign(client.options, access.login());
        return pauseAfter(profile.reconnectDelayMs, attempt - 1);
      },
      // A command that loses its connection fails at once, and `Connection` retries it until the operation's deadline. ioredis's own
      // queue could send it long after its caller was answered with an error.
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: profile.autoPipelining,
    });
    return client;
  }
  const client = new Cluster(hosts, {
    redisOptions: options,
    lazyConnect: true,
    clusterRetryStrategy: (attempt) => pauseAfter(profile.reconnectDelayMs, attempt - 1),
    // With the queue, commands for a cluster that was unreachable from the start wait past their timeout.
    enableOfflineQueue: false,
    slotsRefreshTimeout: profile.operationTimeoutMs,
    retryDelayOnFailover: 50,
    // ioredis's auto pipelining fails while some slots have no server.
    enableAutoPipelining: false,
    // Certificates contain the host's name, so it must not be replaced by its address.
    ...(tls && { dnsLookup: (name, done) => done(null, name) }),
  });
  // This event precedes the node's connection. The login in the options above may have expired since the client was created.
  client.on('+node', (node: Redis) => {
    Object.assign(node.options, access.login());
    ignoreFailedAsking(node);
  });
  // Without a primary, the client would read the slots from a replica, and keep to it. The replica may not have applied removals.
  client.on('-node', () => {
    if (client.nodes().length > 0 && serversOf(client).length === 0) client.disconnect(true);
  });
  return client;
}

/**
 * Handles rejections of ASKING, which a cluster's client sends before a command whose slot is being moved. The client does not handle
 * them, and an unhandled rejection would end the process. The command behind ASKING fails as well, and its error is handled.
 */
function ignoreFailedAsking(node: Redis): void {
  const ask = node.asking.bind(node);
  node.asking = (callback) => {
    const reply = ask(callback);
    reply.catch(() => {});
    return reply;
  };
}

/** Every primary that the client knows. It may not be connected yet. */
export function serversOf(client: Client): Redis[] {
  return client instanceof Redis ? [client] : client.nodes('master');
}

/**
 * Connects all servers of a client that is ready. Otherwise a cluster's node would be connected by its first command. A second command
 * during that time, such as one for another shard, would be rejected and retried 50 ms later.
 *
 * Resolves when every attempt has succeeded or failed. A command to a server that failed gets the error.
 */
export async function connectServers(client: Client): Promise<void> {
  if (client instanceof Redis) return;
  const waiting = serversOf(client).filter(({ status }) => status === 'wait');
  await Promise.allSettled(waiting.map((server) => server.connect()));
}

/**
 * Every server that holds data.
 *
 * @throws transient Error if a cluster's client has lost one of them. The client then looks for it; by itself it would only do so when a
 *   command for one of its keys is sent.
 */
export function allServersOf(client: Client): Redis[] {
  const servers = serversOf(client);
  if (client instanceof Redis) return servers;
  const found = new Set(servers.map(({ options: { host, port } }) => `${host}:${port}`));
  if (client.slots.some(([owner]) => owner !== undefined && !found.has(owner))) {
    client.refreshSlotsCache();
    throw new Error("Cluster isn't ready: a server was lost");
  }
  return servers;
}
