import type { Config } from '../../../config/config.ts';

/**
 * The timeouts and the reconnect behaviour of a connection, by where the process runs.
 *
 * Invariant: connect + socket < operation. Within one operation a dead connection can be detected, replaced and the command sent
 * again before the caller is answered with 503.
 */
export interface ConnectionProfile {
  /** Timeout for opening a connection, including the TLS handshake. Within one network it takes single milliseconds. */
  connectTimeoutMs: number;
  /**
   * A connection is closed if a reply is pending and nothing has arrived for this time. It is the only way to detect a socket that the server closed
   * while the function was frozen: with a timeout per command, ioredis would keep the dead socket.
   */
  socketTimeoutMs: number;
  /** Timeout for one operation, including the wait for a connection and the retries. */
  operationTimeoutMs: number;
  /**
   * Timeout for replicas to confirm a removal, where `WAIT_REPLICAS` is set. They do in one or two milliseconds, and meanwhile other
   * commands on the connection wait. Must be shorter than the socket timeout.
   */
  confirmTimeoutMs: number;
  /** Pause between two attempts to connect: the first and the longest, see `pauseAfter`. */
  reconnectDelayMs: { first: number; most: number };
  /** Whether the process may be frozen, after which any of its connections may be dead without notice. */
  mayFreeze: boolean;
  /** Whether commands of concurrent requests share a write. */
  autoPipelining: boolean;
}

type Timeouts = Pick<
  ConnectionProfile,
  'connectTimeoutMs' | 'socketTimeoutMs' | 'operationTimeoutMs' | 'confirmTimeoutMs'
>;

/** The timeouts, derived from that of an operation. */
function timeoutsWithin(operationTimeoutMs: number, connectTimeoutMs: number): Timeouts {
  return {
    connectTimeoutMs,
    socketTimeoutMs: Math.round((operationTimeoutMs * 4) / 9),
    operationTimeoutMs,
    confirmTimeoutMs: Math.round(operationTimeoutMs / 9),
  };
}

const profiles = {
  /** One request at a time, frozen in between. Reconnects at once: whenever the process is awake, a request is waiting. */
  lambda: { reconnectDelayMs: { first: 10, most: 250 }, mayFreeze: true, autoPipelining: false },
  /** Many concurrent requests in a process that is never frozen. */
  server: { reconnectDelayMs: { first: 50, most: 500 }, mayFreeze: false, autoPipelining: true },
} as const satisfies Record<string, Omit<ConnectionProfile, keyof Timeouts>>;

/** The profile that the configuration selects. */
export function profileFor({
  onLambda,
  backendTimeoutMs,
  backendConnectTimeoutMs,
}: Pick<Config, 'onLambda' | 'backendTimeoutMs' | 'backendConnectTimeoutMs'>): ConnectionProfile {
  const profile = onLambda ? profiles.lambda : profiles.server;
  return { ...profile, ...timeoutsWithin(backendTimeoutMs, backendConnectTimeoutMs) };
}
