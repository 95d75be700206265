import { readSecret } from '../../../aws/secret.ts';
import { environmentCredentials, presign } from '../../../aws/sigv4.ts';
import { type BackendAddress, parseBackendUrl } from '../../../config/backend-url.ts';
import type { Config } from '../../../config/config.ts';

/** Who logs in, and how. */
export interface Login {
  username: string | undefined;
  password: string | undefined;
}

/** Where the backend is and how to get in. */
export interface Access {
  address: BackendAddress;
  /** PEM of a private authority to trust for TLS. */
  ca: string | undefined;
  /** The login for a connection that is about to be made. */
  login(): Login;
  /** How long a login lasts on a connection, in milliseconds; undefined: as long as the connection. */
  loginLifetime: number | undefined;
}

/**
 * Finds out how to get to the backend; called again when a login or a certificate was refused, since they may have been renewed.
 *
 * @throws Error when it cannot be found out now
 */
export type AccessSource = () => Promise<Access>;

/** The source that the settings name. */
export function accessSource({
  backend: address,
  iamCache,
  secretArn,
}: Pick<Config, 'backend' | 'iamCache' | 'secretArn'>): AccessSource {
  if (secretArn !== undefined) return () => fromSecret(secretArn, address);
  if (!address) throw new Error('A backend has an address or a secret');
  if (iamCache !== undefined) return async () => byIam(address, iamCache);
  return async () => byPassword(address);
}

function byPassword(address: BackendAddress, ca?: string): Access {
  const { username, password } = address;
  return { address, ca, login: () => ({ username, password }), loginLifetime: undefined };
}

/**
 * A secret is a URL, or JSON with any of `url`, `username`, `password` and `ca`; what it does not say is as in `address`.
 */
async function fromSecret(arn: string, address: BackendAddress | undefined): Promise<Access> {
  const { url, ca, ...login } = parseSecret(await readSecret(arn));
  const base = url === undefined ? address : parseBackendUrl(url);
  if (!base) throw new Error('The secret names no url, and DRAGONFLY_URL is not set');
  return byPassword({ ...base, ...login }, ca);
}

function parseSecret(text: string): { url?: string; username?: string; password?: string; ca?: string } {
  if (!text.trimStart().startsWith('{')) return { url: text.trim() };
  let secret: unknown;
  try {
    secret = JSON.parse(text);
  } catch {
    // The parser's own message would quote the secret.
    throw new Error('The secret is not valid JSON');
  }
  const known = Object.entries(secret as object).filter(([name]) =>
    ['url', 'username', 'password', 'ca'].includes(name),
  );
  if (!known.every(([, value]) => typeof value === 'string')) {
    throw new Error('The secret has a member that is not text');
  }
  return Object.fromEntries(known);
}

/** ElastiCache accepts a token for 15 minutes, and keeps a connection for 12 hours unless it logs in again. */
const TOKEN_LIFETIME_S = 900;
const LOGIN_LIFETIME_MS = 11 * 3_600_000;

/**
 * Login to an ElastiCache Serverless cache by IAM: the password is a presigned request to connect, computed here with no
 * round trip. Source: Amazon ElastiCache User Guide, «Authenticating with IAM».
 */
function byIam(address: BackendAddress, cache: string): Access {
  const { username } = address;
  return {
    address,
    ca: undefined,
    loginLifetime: LOGIN_LIFETIME_MS,
    login: () => {
      const query = { Action: 'connect', User: username ?? '', ResourceType: 'ServerlessCache' };
      const scope = { service: 'elasticache', region: process.env.AWS_REGION ?? '', now: Date.now() };
      const credentials = environmentCredentials();
      return {
        username,
        password: presign(cache.toLowerCase(), query, TOKEN_LIFETIME_S, credentials, scope),
      };
    },
  };
}
