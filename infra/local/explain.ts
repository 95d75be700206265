import { ConfigError } from '../../lib/env.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';

/**
 * One line for what whoever starts the process can put right; undefined for everything else, of which a stack tells more.
 *
 * @param port the one that it was to listen on, once that is known
 */
export function explainStart(error: unknown, port?: number): string | undefined {
  if (error instanceof ConfigError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return `SERVICE_PORT ${port} is in use by another process`;
  if (code === 'EACCES') return `SERVICE_PORT ${port} needs more rights than this process has`;
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
  [/ECONNRESET/, 'it ends every connection, as it does if it wants TLS, dragonflys://…', false],
];

/**
 * One line about a backend that did not answer at the start. It repeats nothing of what the backend or its URL say.
 *
 * @param tls whether it was spoken to by TLS
 */
export function explainBackend(error: unknown, tls: boolean): string {
  const { cause } = error instanceof BackendUnavailableError ? error : { cause: error };
  const said = cause instanceof Error ? cause.message : String(cause);
  const fits = ([words, _, only = tls]: (typeof REASONS)[number]) => words.test(said) && only === tls;
  const reason = REASONS.find(fits)?.[1];
  const problem = `The backend does not answer yet${reason === undefined ? '' : ` (${reason})`}`;
  return `${problem}: until it does, requests are answered 503.`;
}
