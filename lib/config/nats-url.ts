import { parseHost } from './parse.ts';

export interface NatsServer {
  host: string;
  port: number;
}

/** Where the broker is and how to log in, as given by `NATS_URL`. */
export interface NatsAddress {
  /** One server, or several of one cluster, any of which can be used. */
  servers: [NatsServer, ...NatsServer[]];
  /** True: TLS is required. False: TLS is used if the server requires it. */
  tls: boolean;
  /** The part before the `@`: user and password, or a token. */
  login: { user: string; password: string } | { token: string } | undefined;
}

const DEFAULT_PORT = 4222;
const SHAPE = 'must look like nats://[user:password@]host:port, or tls://…';

/**
 * Parses `nats://[user:password@|token@]host[:port]` or `tls://…`, or several of them separated by commas. Only the first may
 * have a login, which is used for all.
 *
 * @throws Error whose message does not contain the URL, which may contain a password
 */
export function parseNatsUrl(url: string): NatsAddress {
  const [first = '', ...others] = url.split(',').map((part) => part.trim());
  const match = /^(nats|tls):\/\/(?:([^@]*)@)?([^@]*)$/.exec(first);
  if (!match) throw new Error(SHAPE);
  const [, scheme, login, host = ''] = match;
  const rest = others.map((other) => parseServer(withoutScheme(other, `${scheme}://`)));
  return { servers: [parseServer(host), ...rest], tls: scheme === 'tls', login: parseLogin(login) };
}

function withoutScheme(text: string, scheme: string): string {
  const host = text.startsWith(scheme) ? text.slice(scheme.length) : text;
  if (host.includes('://')) throw new Error('must begin all its addresses with nats:// or all with tls://');
  if (host.includes('@')) throw new Error('may contain a login in its first address only');
  return host;
}

const parseServer = (text: string) => parseHost(text.replace(/\/$/, ''), DEFAULT_PORT, SHAPE);

function parseLogin(login: string | undefined): NatsAddress['login'] {
  if (!login) return undefined;
  const colon = login.indexOf(':');
  try {
    if (colon < 0) return { token: decodeURIComponent(login) };
    return {
      user: decodeURIComponent(login.slice(0, colon)),
      password: decodeURIComponent(login.slice(colon + 1)),
    };
  } catch {
    throw new Error('has a login that is not percent-encoded');
  }
}
