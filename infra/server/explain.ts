import type { Config } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';

/** Error codes of `listen` for an address or a host name that does not belong to this machine. */
const INVALID_HOST = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EAFNOSUPPORT', 'EINVAL'];

/**
 * One line about an error that the operator can correct; undefined for any other error, whose stack is more useful.
 *
 * @param at address of `listen`, if the error came from there
 */
export function explainStart(error: unknown, at?: Pick<Config, 'host' | 'port'>): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (!at) return undefined;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const other = at.port < 65_535 ? at.port + 1 : at.port - 1;
    return `SERVICE_PORT ${at.port} is in use by another process; use another one: SERVICE_PORT=${other} npm start`;
  }
  if (code === 'EACCES') return `SERVICE_PORT ${at.port} requires privileges; use a port from 1024 on`;
  if (INVALID_HOST.includes(code)) {
    return `SERVICE_HOST must be an address or a host name of this machine, not ${JSON.stringify(at.host)}`;
  }
  return undefined;
}

/** Explanations of messages of the client or the server. The first match counts. `tls`: only with, or only without TLS. */
const REASONS: [message: RegExp, reason: string, tls?: boolean][] = [
  [/WRONGPASS|invalid password/, 'it rejects the user and password'],
  [/NOAUTH/, 'it requires a password and received none'],
  [/certificate/i, 'its certificate is not trusted, see NODE_EXTRA_CA_CERTS'],
  [/\bDB index\b|SELECT is not allowed/i, 'it has no database with this number'],
  [/cluster support disabled/, 'it is not a cluster'],
  [/ENOTFOUND|EAI_AGAIN/, 'no host has this name'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/ETIMEDOUT|ECONNRESET|SSL|TLS/, 'it does not speak TLS, which DRAGONFLY_URL requires', true],
  [
    /ECONNRESET|closes the connection without an answer/,
    'it closes every connection; if it requires TLS, use dragonflys://…',
    false,
  ],
  [/Socket timeout/, 'it accepts connections, but does not answer'],
  [/ETIMEDOUT|E(?:HOST|NET)UNREACH/, 'it cannot be reached'],
];

/**
 * One line about a backend that did not answer at the start. It contains no text of the backend or of its URL, which may be secret.
 *
 * @param tls whether the connection uses TLS
 */
export function explainBackend(error: unknown, tls: boolean): string {
  const { cause } = error instanceof BackendUnavailableError ? error : { cause: error };
  const message = cause instanceof Error ? cause.message : String(cause);
  const [foreign] = /\S+ answers, but does not speak the Redis protocol[^;]*/.exec(message) ?? [];
  if (foreign !== undefined)
    return `${foreign}. Correct DRAGONFLY_URL: until then, requests are answered 503.`;
  const reason = REASONS.find(([pattern, _, only = tls]) => pattern.test(message) && only === tls)?.[1];
  const problem = `The backend does not answer yet${reason === undefined ? '' : ` (${reason})`}`;
  return `${problem}: until it does, requests are answered 503.`;
}
