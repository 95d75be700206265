import { parseHost } from './parse.ts';

/** Where the backend is and how to log in, as given by `DRAGONFLY_URL`. */
export interface BackendAddress {
  /** One server, or the seed nodes of a cluster. */
  hosts: { host: string; port: number }[];
  cluster: boolean;
  tls: boolean;
  username: string | undefined;
  password: string | undefined;
  /** The database number; always 0 for a cluster. */
  db: number;
}

const DEFAULT_PORT = 6379;
/** The schemes, and whether each uses TLS. */
const SCHEMES = new Map([
  ['dragonfly', false],
  ['dragonflys', true],
  ['redis', false],
  ['rediss', true],
  ['valkey', false],
  ['valkeys', true],
]);
const SHAPE = 'must look like dragonfly://[user:password@]host:port[/db], or redis:// or valkey://';

/**
 * Parses `dragonfly://[user:password@]host:port[/db]`. `dragonflys://` uses TLS. `redis` and `valkey` mean the same as
 * `dragonfly`, `rediss` and `valkeys` the same as `dragonflys`. `?cluster=true`, or several `host:port` separated by commas,
 * selects the cluster protocol.
 *
 * `URL` of the platform does not support several hosts.
 *
 * @throws Error whose message does not contain the URL, which may contain a password
 */
export function parseBackendUrl(url: string): BackendAddress {
  const match = /^([a-z]+):\/\/(?:([^@/?#]*)@)?([^@/?#]+)(?:\/([^?#]*))?(?:\?([^#]*))?$/.exec(url);
  if (!match) throw new Error(SHAPE);
  const [, schemeName = '', login, hostList = '', path = '', query = ''] = match;
  const tls = SCHEMES.get(schemeName);
  if (tls === undefined) throw new Error(`must begin with one of ${[...SCHEMES.keys()].join(', ')} and ://`);

  const hosts = hostList.split(',').map((host) => parseHost(host, DEFAULT_PORT, SHAPE));
  const cluster = parseQuery(query) || hosts.length > 1;
  if (!/^\d{0,5}$/.test(path)) throw new Error('must have nothing or a database number after the /');
  const db = Number(path);
  if (cluster && db !== 0) throw new Error('must not contain a database: a cluster has only database 0');
  return { hosts, cluster, tls, ...parseLogin(login), db };
}

/** `host:port`, as in a URL. */
export function hostAndPort({ host, port }: BackendAddress['hosts'][number]): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function parseLogin(login: string | undefined): Pick<BackendAddress, 'username' | 'password'> {
  if (login === undefined) return { username: undefined, password: undefined };
  const colon = login.indexOf(':');
  const [user, password] = colon < 0 ? [login, ''] : [login.slice(0, colon), login.slice(colon + 1)];
  try {
    return {
      username: decodeURIComponent(user) || undefined,
      password: decodeURIComponent(password) || undefined,
    };
  } catch {
    throw new Error('has a user or password that is not percent-encoded');
  }
}

function parseQuery(query: string): boolean {
  let cluster = false;
  for (const [name, value] of new URLSearchParams(query)) {
    if (name !== 'cluster' || (value !== 'true' && value !== 'false')) {
      throw new Error('may have only the option ?cluster=true');
    }
    cluster = value === 'true';
  }
  return cluster;
}
