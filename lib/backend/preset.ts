/**
 * How a connection behaves, chosen for where the process runs. All times are in milliseconds.
 *
 * The order matters: connect + socket < command < operation < 1,000, so that whatever happens to a connection there is time
 * to notice it, to make a new one and to send the command again before the caller is told that the backend is unavailable.
 */
export interface Preset {
  /** To open a connection, TLS handshake included. Within one network it takes single milliseconds. */
  connectTimeout: number;
  /**
   * Silence on a connection that owes an answer, after which it is given up. Only this replaces a socket whose other end went
   * away while the function was frozen: with a command timeout alone, ioredis keeps the dead socket for ever.
   */
  socketTimeout: number;
  /** For one command to be answered. */
  commandTimeout: number;
  /** For one operation, with its wait for a connection and its second tries. */
  operationTimeout: number;
  /** Between two attempts to connect, at first and at most; each is drawn at random from the upper half of its range. */
  reconnectDelay: { first: number; most: number };
  /** Whether commands of requests that run side by side share a write. */
  autoPipelining: boolean;
}

const common = {
  connectTimeout: 300,
  socketTimeout: 400,
  commandTimeout: 850,
  operationTimeout: 900,
} as const;

/** One request at a time, frozen in between: reconnects at once, since a request is waiting whenever it is awake. */
const lambda: Preset = { ...common, reconnectDelay: { first: 10, most: 250 }, autoPipelining: false };

/** Many requests side by side in a process that is never frozen. */
const server: Preset = { ...common, reconnectDelay: { first: 50, most: 500 }, autoPipelining: true };

export const presets = { lambda, server } as const;
