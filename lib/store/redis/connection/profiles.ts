/**
 * How a connection behaves, chosen for where the process runs. All times are in milliseconds.
 *
 * The order matters: connect + socket < operation < 1,000, so that whatever happens to a connection there is time
 * to notice it, to make a new one and to send the command again before the caller is told that the backend is unavailable.
 */
export interface Preset {
  /** To open a connection, TLS handshake included. Within one network it takes single milliseconds. */
  connectTimeout: number;
  /**
   * Silence on a connection that owes an answer, after which it is given up. Only this replaces a socket whose other end went
   * away while the function was frozen: with a timeout for each command, ioredis keeps the dead socket for ever.
   */
  socketTimeout: number;
  /** For one operation, with its wait for a connection and its second tries. */
  operationTimeout: number;
  /** Between two attempts to connect, at first and at most; each is drawn at random from the upper half of its range. */
  reconnectDelay: { first: number; most: number };
  /** Whether the process may be frozen, after which any of its connections may have gone dark without a word. */
  frozen: boolean;
  /** Whether commands of requests that run side by side share a write. */
  autoPipelining: boolean;
}

const common = {
  connectTimeout: 300,
  socketTimeout: 400,
  operationTimeout: 900,
} as const;

/** One request at a time, frozen in between: reconnects at once, since a request is waiting whenever it is awake. */
const lambda: Preset = {
  ...common,
  reconnectDelay: { first: 10, most: 250 },
  frozen: true,
  autoPipelining: false,
};

/** Many requests side by side in a process that is never frozen. */
const server: Preset = {
  ...common,
  reconnectDelay: { first: 50, most: 500 },
  frozen: false,
  autoPipelining: true,
};

export const presets = { lambda, server } as const;
