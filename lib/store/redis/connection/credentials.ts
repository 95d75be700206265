import { parseSecret, readSecret } from '../../../aws/secret.ts';
import { environmentCredentials, presign } from '../../../aws/sigv4.ts';
import { type BackendAddress, parseBackendUrl } from '../../../config/backend-url.ts';
import type { Config } from '../../../config/config.ts';
import type { IamCache } from '../../../config/iam-cache.ts';

/** The backend's address and the credentials for it. */
export interface Access {
  address: BackendAddress;
  /** PEM certificate of a private authority to trust. */
  ca: string | undefined;
  /** The credentials for a connection that is opened now. */
  login(): Pick<BackendAddress, 'username' | 'password'>;
  /** After this time a connection has to log in again; undefined: never. */
  loginLifetimeMs: number | undefined;
}

/**
 * Reads the access. Called again when a login or a certificate was rejected, since either may have been rotated.
 *
 * @throws Error if it cannot be read now
 */
export type AccessSource = () => Promise<Access>;

/** The source that the configuration selects. */
export function accessSource({
  backend: address,
  iamCache,
  secretArn,
}: Pick<Config, 'backend' | 'iamCache' | 'secretArn'>): AccessSource {
  if (secretArn !== undefined) return () => secretAccess(secretArn, address);
  if (!address) throw new Error('Neither DRAGONFLY_URL nor DRAGONFLY_SECRET_ARN is set');
  if (iamCache !== undefined) return async () => iamAccess(address, iamCache);
  return async () => passwordAccess(address);
}

function passwordAccess(address: BackendAddress, ca?: string): Access {
  const { username, password } = address;
  return { address, ca, login: () => ({ username, password }), loginLifetimeMs: undefined };
}

/** The secret replaces those parts of `address` that it contains. */
async function secretAccess(arn: string, address: BackendAddress | undefined): Promise<Access> {
  const members = ['url', 'username', 'password', 'ca'] as const;
  const { url, ca, ...login } = parseSecret(await readSecret(arn), members);
  const base = url === undefined ? address : parseBackendUrl(url);
  if (!base) throw new Error('The secret contains no url, and DRAGONFLY_URL is not set');
  return passwordAccess({ ...base, ...login }, ca);
}

/** ElastiCache accepts a token for 15 minutes, and closes a connection 12 hours after its last login. */
const TOKEN_LIFETIME_SECONDS = 900;
const LOGIN_LIFETIME_MS = 11 * 3_600_000;

/**
 * IAM authentication to ElastiCache: the password is a presigned `connect` request, which needs no round trip.
 * Source: Amazon ElastiCache User Guide, "Authenticating with IAM".
 */
function iamAccess(address: BackendAddress, { name, isServerless, region }: IamCache): Access {
  const { username } = address;
  return {
    address,
    ca: undefined,
    loginLifetimeMs: LOGIN_LIFETIME_MS,
    login: () => {
      const query = {
        Action: 'connect',
        User: username ?? '',
        // ElastiCache takes a request without a type for one to a replication group.
        ...(isServerless && { ResourceType: 'ServerlessCache' }),
      };
      const scope = {
        service: 'elasticache',
        region: region ?? process.env.AWS_REGION ?? '',
        nowEpochMs: Date.now(),
      };
      return {
        username,
        password: presign(name, query, TOKEN_LIFETIME_SECONDS, environmentCredentials(), scope),
      };
    },
  };
}
