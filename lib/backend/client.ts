import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { pauseAfter } from '../time.ts';
import type { Access } from './access.ts';
import { Connector } from './connector.ts';
import type { Preset } from './preset.ts';

/** A connection to one server, or to a cluster of them. */
export type Client = Redis | Cluster;

/**
 * Makes a client that is not yet connected and never gives up reconnecting. Each of its connections logs in with what
 * `access.login()` says at that moment.
 */
export function createClient(access: Access, preset: Preset): Client {
  const { hosts, cluster, tls, db } = access.address;
  const options: RedisOptions = {
    ...access.login(),
    Connector,
    db,
    tls: tls ? { ca: access.ca } : undefined,
    connectTimeout: preset.connectTimeout,
    socketTimeout: preset.socketTimeout,
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
        return pauseAfter(preset.reconnectDelay, attempt - 1);
      },
      // A command that loses its connection fails at once. Sending it again is the connection's decision, which knows how
      // much time is left; a queue inside of the client would send it long after its caller was told that it had failed.
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      enableAutoPipelining: preset.autoPipelining,
    });
    return client;
  }
  const client = new Cluster(hosts, {
    redisOptions: options,
    lazyConnect: true,
    clusterRetryStrategy: (attempt) => pauseAfter(preset.reconnectDelay, attempt - 1),
    // With the queue on, commands wait past their timeout for a cluster that was unreachable from the start.
    enableOfflineQueue: false,
    slotsRefreshTimeout: preset.operationTimeout,
    retryDelayOnFailover: 50,
    // ioredis looks up the slots for automatic pipelines in a way that fails while some slots have no server.
    enableAutoPipelining: false,
    // A TLS certificate names the host, so it must not be resolved to an address first.
    ...(tls && { dnsLookup: (name, done) => done(null, name) }),
  });
  // Its nodes are told when they are made and connect later; what was given above is fixed for good.
  client.on('+node', (node: Redis) => Object.assign(node.options, access.login()));
  return client;
}

/** Every server that the client has a connection to, or will have. */
export function serversOf(client: Client): Redis[] {
  return client instanceof Redis ? [client] : client.nodes('master');
}
