import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { pauseAfter } from '../../../time.ts';
import { connectorReporting } from './connector.ts';
import type { Access } from './credentials.ts';
import type { ConnectionProfile } from './profiles.ts';

/** A connection to one server, or to a cluster of them. */
export type Client = Redis | Cluster;

/**
 * Makes a client that is not yet connected and never gives up reconnecting. Each of its connections logs in with what
 * `access.login()` says at that moment.
 *
 * @param report called with one line per problem of a connection, which may come again
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
    // Some services refuse CLIENT SETINFO, and none of ours needs it.
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
      // A command that loses its connection fails at once. Sending it again is the connection's decision, which knows how
      // much time is left; a queue inside of the client would send it long after its caller was told that it had failed.
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
    // With the queue on, commands wait past their timeout for a cluster that was unreachable from the start.
    enableOfflineQueue: false,
    slotsRefreshTimeout: profile.operationTimeoutMs,
    retryDelayOnFailover: 50,
    // ioredis looks up the slots for automatic pipelines in a way that fails while some slots have no server.
    enableAutoPipelining: false,
    // A TLS certificate names the host, so it must not be resolved to an address first.
    ...(tls && { dnsLookup: (name, done) => done(null, name) }),
  });
  // Its nodes are told when they are made and connect later; what was given above is fixed for good.
  client.on('+node', (node: Redis) => {
    Object.assign(node.options, access.login());
    hearOfAsking(node);
  });
  // With no primary left it would ask a replica, and go on asking it, which may not have heard of what was removed.
  client.on('-node', () => {
    if (client.nodes().length > 0 && serversOf(client).length === 0) client.disconnect(true);
  });
  return client;
}

/**
 * A cluster's client sends ASKING before a command whose slot is being moved, and looks no further after it. Where it fails the
 * command behind it fails as well and is heard of; ASKING by itself would end the process as a rejection that nobody handles.
 */
function hearOfAsking(node: Redis): void {
  const ask = node.asking.bind(node);
  node.asking = (callback) => {
    const asked = ask(callback);
    asked.catch(() => {});
    return asked;
  };
}

/** Every server that the client has a connection to, or will have. */
export function serversOf(client: Client): Redis[] {
  return client instanceof Redis ? [client] : client.nodes('master');
}

/**
 * Connects all servers of a client that is ready. A cluster's nodes would else be connected by the first command for each, and a
 * second one that came meanwhile, as one shard's does beside another's, be sent back, to try elsewhere 50 ms later.
 *
 * @returns when each is connected or has failed to be, which whoever needs it will meet
 */
export async function connectServers(client: Client): Promise<void> {
  if (client instanceof Redis) return;
  const waiting = serversOf(client).filter(({ status }) => status === 'wait');
  await Promise.allSettled(waiting.map((server) => server.connect()));
}

/**
 * Every server that holds data.
 *
 * @throws Error, after which another try is made, where a cluster's client has lost one: it is looked for from then on. By itself
 *   the client forgets it until somebody asks for one of its keys.
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
