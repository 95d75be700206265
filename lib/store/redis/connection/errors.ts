import { BackendUnavailableError, ServiceError } from '../../../errors.ts';

/** Transient errors: the server may serve requests soon. */
const TRANSIENT_REPLIES = [
  'LOADING',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MASTERDOWN',
  'READONLY',
  'UNBLOCKED',
  'UNKILLABLE',
  'BUSY',
  // The slot is moving, and a command of the script needs a key that this node does not have. Redis before 7 says `Lua script`.
  // A script that accessed a key of another node would get the same error.
  'ERR Script attempted to access a non local key',
  'Lua script attempted to access a non local key',
];

/** The replies of a server that can be read but not written. */
const REFUSED_WRITES = ['OOM', 'Out of memory', 'MISCONF', 'NOREPLICAS'];

/** Errors that last until an operator intervenes. */
const LASTING_REPLIES = [...REFUSED_WRITES, 'NOPERM', 'ERR max number of clients'];

/** Messages of ioredis for a command that had no connection, or lost it. These errors have no code. */
const DISCONNECTED = [
  'Connection is closed',
  'Command aborted due to connection close',
  "Stream isn't writeable",
  "Cluster isn't ready",
  'Cluster is ended',
  'Failed to refresh slots cache',
  'Too many Cluster redirections',
  'Reached the max retries per request limit',
  'Socket timeout',
];

/**
 * Codes of a connection that failed: from the system, the resolver, and Node's sockets and TLS. Not every code means that: Node gives
 * codes to programming errors too, such as `ERR_INVALID_ARG_TYPE`. Codes of OpenSSL, `ERR_SSL_…`, all come from the connection.
 */
const CONNECTION_CODES = new Set([
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'ENOTCONN', 'EPIPE', 'ETIMEDOUT', 'EPROTO'],
  ...['EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'ENETRESET', 'EADDRNOTAVAIL'],
  ...['ENOBUFS', 'EMFILE', 'ENFILE', 'ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'EAI_NONAME'],
  ...['ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END', 'ERR_STREAM_PREMATURE_CLOSE'],
  ...['ERR_SOCKET_CLOSED', 'ERR_SOCKET_CONNECTION_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT'],
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Replies to a rejected login. */
const REJECTED_LOGIN = ['WRONGPASS', 'NOAUTH', 'ERR invalid password', 'ERR AUTH'];

/** Redis before 7 and Dragonfly put these words before the error of a command that a script called. */
const IN_SCRIPT = /^ERR Error running script \(call to \w+\): (?:@?user_script: ?\d+: )*-?/;

const startsWithOneOf = (message: string, beginnings: string[]) => {
  const reply = message.replace(IN_SCRIPT, '');
  return beginnings.some((beginning) => reply.startsWith(beginning));
};

/** True if the same command may succeed when it is sent again in a moment. All of the store's commands are safe to send twice. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof ServiceError) return false;
  const { message } = error;
  const code = String((error as NodeJS.ErrnoException).code);
  return (
    CONNECTION_CODES.has(code) ||
    code.startsWith('ERR_SSL_') ||
    isForeignProtocol(message) ||
    startsWithOneOf(message, [...TRANSIENT_REPLIES, ...DISCONNECTED])
  );
}

/** True if authentication failed or the certificate was rejected, by the error's message. Either may have been rotated. */
export function isAuthError(message: string): boolean {
  return startsWithOneOf(message, REJECTED_LOGIN) || /\bcertificate\b/i.test(message);
}

/** True if the backend does not have the selected database, by the error's message. */
export function isUnknownDatabase(message: string): boolean {
  return /\bDB index\b|SELECT is not allowed/i.test(message);
}

/** True if a connection was closed because it received no reply, by the error's message. */
export function isSocketTimeout(message: string): boolean {
  return message.startsWith('Socket timeout');
}

/** True if the message states only that connections to a cluster's nodes failed, and not why. */
export function isConsequence(message: string): boolean {
  return /^(?:Connection is closed|Failed to refresh slots cache)/.test(message);
}

/** True if the server does not speak the Redis protocol, by the error's message. */
function isForeignProtocol(message: string): boolean {
  return /^Unknown RESP type|^Command queue state error/.test(message);
}

/** The first byte of the alert with which a TLS server rejects a plain connection. */
const TLS_ALERT = 0x15;

/**
 * The log message for a server that does not speak the Redis protocol.
 *
 * @param where its host and port
 * @param type the first byte that it sent
 */
export function foreignProtocol(where: string, type: number): string {
  const line = `${where} answers, but does not speak the Redis protocol`;
  return type === TLS_ALERT ? `${line}: it wants TLS, dragonflys://…` : line;
}

/**
 * The log message for an error of a connection, in one line.
 *
 * @param where the server's host and port
 */
export function describeError(error: Error, where: string): string {
  // ioredis's message may quote what was received, and so a value.
  if (isForeignProtocol(error.message)) {
    return foreignProtocol(where, Number(/^Unknown RESP type (\d+)/.exec(error.message)?.[1]));
  }
  // If all addresses of a host refuse the connection, Node's error has no message, but an error for each address.
  const { errors = [] } = error as Partial<AggregateError>;
  return error.message || errors.map((each) => each.message).join(', ') || error.name;
}

/** True if the server refuses writes: it is full, or its configuration forbids them now. */
export function refusesWrites({ message }: Error): boolean {
  return startsWithOneOf(message, REFUSED_WRITES);
}

/** Returns `BackendUnavailableError` for an error of the backend or the connection to it, and other errors unchanged. */
export function asBackendError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BackendUnavailableError) return error;
  const { message } = error;
  const known = isTransient(error) || isAuthError(message) || startsWithOneOf(message, LASTING_REPLIES);
  return known ? new BackendUnavailableError(error) : error;
}
