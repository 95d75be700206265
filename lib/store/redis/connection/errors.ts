import { BackendUnavailableError, ServiceError } from '../../../errors.ts';

/** What the backend answers when it cannot serve for now, and another try in a moment may find it well. */
const PASSING = [
  'LOADING',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'MASTERDOWN',
  'READONLY',
  'UNBLOCKED',
  'UNKILLABLE',
  'BUSY',
];

/** What the backend answers when it will not serve until somebody has done something about it. */
const LASTING = ['OOM', 'NOPERM', 'MISCONF', 'Out of memory', 'NOREPLICAS', 'ERR max number of clients'];

/** How ioredis says that a command met no connection, or lost it. None of these has a code. */
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

/** What the backend answers to a login that it does not accept. */
const REFUSED_LOGIN = ['WRONGPASS', 'NOAUTH', 'ERR invalid password', 'ERR AUTH'];

/** Redis before 7 and Dragonfly put what a script's command met behind words of their own. */
const IN_SCRIPT = /^ERR Error running script \(call to \w+\): (?:@?user_script: ?\d+: )*-?/;

const startsWithOneOf = (message: string, beginnings: string[]) => {
  const met = message.replace(IN_SCRIPT, '');
  return beginnings.some((beginning) => met.startsWith(beginning));
};

/** Whether the same command, sent again in a moment, may well succeed. All of ours are safe to send twice. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof ServiceError) return false;
  const hasSystemCode = typeof (error as NodeJS.ErrnoException).code === 'string';
  return hasSystemCode || startsWithOneOf(error.message, [...PASSING, ...DISCONNECTED]);
}

/**
 * Whether a connection failed, by the message of its error, because we and the backend do not know each other: it refused our
 * password, or we its certificate. Either may have been renewed.
 */
export function isEstranged(message: string): boolean {
  return startsWithOneOf(message, REFUSED_LOGIN) || /\bcertificate\b/i.test(message);
}

/** Whether the backend has no database of the number that it was asked for, by the message of its error. */
export function isOtherDatabase(message: string): boolean {
  return /\bDB index\b|SELECT is not allowed/i.test(message);
}

/** Whether a connection was given up, by the message of its error, because nothing came back on it. */
export function isSilence(message: string): boolean {
  return message.startsWith('Socket timeout');
}

/** What to throw for an error of the client: a fault of ours stays what it is, everything else is the backend's. */
export function asBackendError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof BackendUnavailableError) return error;
  const { message } = error;
  const known = isPassing(error) || isEstranged(message) || startsWithOneOf(message, LASTING);
  return known ? new BackendUnavailableError(error) : error;
}
