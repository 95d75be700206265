import type { Config } from '../../lib/config/config.ts';
import { ConfigError } from '../../lib/config/parse.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';

/** Why a host cannot be listened on: it is another machine's, there is none of this name, or no such network. */
const NOT_OURS = ['EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN', 'EAFNOSUPPORT', 'EINVAL'];

/**
 * One line for what whoever starts the process can put right; undefined for everything else, of which a stack tells more.
 *
 * @param at where it was to listen, once it came to that
 */
export function explainStart(error: unknown, at?: Pick<Config, 'host' | 'port'>): string | undefined {
  if (error instanceof ConfigError) return error.message;
  if (!at) return undefined;
  const { code = '' } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    const other = at.port < 65_535 ? at.port + 1 : at.port - 1;
    return `SERVICE_PORT ${at.port} is in use by another process; take another one: SERVICE_PORT=${other} npm start`;
  }
  if (code === 'EACCES') return `SERVICE_PORT ${at.port} needs more rights than this process has`;
  if (NOT_OURS.includes(code)) {
    return `SERVICE_HOST must be an address of this machine or a name of one, not ${JSON.stringify(at.host)}`;
  }
  return undefined;
}

/**
 * What the words of a client or a server come to, for who has set `DRAGONFLY_URL`: the first that fits. The last member says of
 * some that they hold with TLS alone, or without.
 */
const REASONS: [words: RegExp, reason: string, tls?: boolean][] = [
  [/WRONGPASS|invalid password/, 'it refuses the user and password'],
  [/NOAUTH/, 'it wants a password and is given none'],
  [/certificate/i, 'its certificate is not trusted, see NODE_EXTRA_CA_CERTS'],
  [/\bDB index\b|SELECT is not allowed/i, 'it has no database of this number'],
  [/cluster support disabled/, 'it is no cluster'],
  [/ENOTFOUND|EAI_AGAIN/, 'there is no host of this name'],
  [/ECONNREFUSED/, 'nothing listens there'],
  [/ETIMEDOUT|ECONNRESET|SSL|TLS/, 'it does not answer by TLS, which DRAGONFLY_URL asks for', true],
  [
    /ECONNRESET|closes the connection without an answer/,
    'it ends every connection, as it does if it wants TLS, dragonflys://…',
    false,
  ],
  [/Socket timeout/, 'it accepts connections, but does not answer'],
  [/ETIMEDOUT|E(?:HOST|NET)UNREACH/, 'it cannot be reached'],
];

/**
 * One line about a backend that did not answer at the start. It repeats nothing of what the backend or its URL say.
 *
 * @param tls whether it was spoken to by TLS
 */
export function explainBackend(error: unknown, tls: boolean): string {
  const { cause } = error instanceof BackendUnavailableError ? error : { cause: error };
  const said = cause instanceof Error ? cause.message : String(cause);
  const [foreign] = /\S+ answers, but does not speak the Redis protocol[^;]*/.exec(said) ?? [];
  if (foreign !== undefined)
    return `${foreign}. Correct DRAGONFLY_URL: until then, requests are answered 503.`;
  const fits = ([words, _, only = tls]: (typeof REASONS)[number]) => words.test(said) && only === tls;
  const reason = REASONS.find(fits)?.[1];
  const problem = `The backend does not answer yet${reason === undefined ? '' : ` (${reason})`}`;
  return `${problem}: until it does, requests are answered 503.`;
}
