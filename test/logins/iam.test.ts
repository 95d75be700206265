import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { Connection } from '../../lib/store/redis/connection/connection.ts';
import { type Access, accessSource } from '../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../lib/store/redis/connection/profiles.ts';
import { commandsDuring } from '../support/engines/inspect.ts';
import { startServer } from '../support/engines/server.ts';
import { PATIENT } from '../support/patience.ts';
import { reference } from './reference.ts';
import { ARN, CREDENTIALS } from './secrets-manager.ts';

const log = createLog({ logLevel: 'ERROR', serviceName: 'test' });

afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a login by IAM', () => {
  const env = {
    DRAGONFLY_URL: 'valkeys://cache-user@127.0.0.1:6379?cluster=true',
    DRAGONFLY_IAM_CACHE: 'My-Cache',
  };

  beforeEach(() => {
    vi.stubEnv('AWS_REGION', 'eu-central-1');
    vi.stubEnv('AWS_ACCESS_KEY_ID', CREDENTIALS.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', CREDENTIALS.secretAccessKey);
    vi.stubEnv('AWS_SESSION_TOKEN', CREDENTIALS.sessionToken);
  });

  // The host, the query and the region of AWS's example, "Authenticating with IAM", for each kind of cache.
  const SERVERLESS = { Action: 'connect', User: 'cache-user', ResourceType: 'ServerlessCache' };
  const GROUP = { Action: 'connect', User: 'cache-user' };
  const ACCOUNT = 'arn:aws:elasticache:eu-west-1:123456789012';

  test.each([
    ['the name of a serverless cache', 'My-Cache', SERVERLESS, 'my-cache', 'eu-central-1'],
    [
      'the ARN of a serverless cache',
      `${ACCOUNT}:serverlesscache:my-cache`,
      SERVERLESS,
      'my-cache',
      'eu-west-1',
    ],
    ['the ARN of a replication group', `${ACCOUNT}:replicationgroup:Ca1x`, GROUP, 'ca1x', 'eu-west-1'],
  ])(
    "with %s has a token with the same signature as AWS's own implementation",
    async (_, cache, query, host, region) => {
      vi.useFakeTimers({ now: Date.UTC(2026, 5, 1), toFake: ['Date'] });
      try {
        const { login } = await accessSource(readConfig({ ...env, DRAGONFLY_IAM_CACHE: cache }))();
        const { username, password } = login();
        expect(username).toBe('cache-user');
        const theirs = await reference('elasticache', region, CREDENTIALS).presign(
          { method: 'GET', protocol: 'http:', hostname: host, path: '/', headers: { host }, query },
          { expiresIn: 900 },
        );
        const ours = new URL(`http://${password}`);
        expect(ours.host).toBe(host);
        expect(Object.fromEntries(ours.searchParams)).toEqual(theirs.query);
        vi.setSystemTime(Date.UTC(2026, 5, 1, 12));
        expect(login().password).not.toBe(password);
      } finally {
        vi.useRealTimers();
      }
    },
  );

  test('is renewed before ElastiCache closes the connection after twelve hours', async () => {
    const { loginLifetimeMs } = await accessSource(readConfig(env))();
    expect(loginLifetimeMs).toBeLessThan(12 * 3_600_000);
  });

  test('is repeated on a connection only after its lifetime has passed', async () => {
    const server = await startServer({ users: { cache: 'on >secret ~* &* +@all' } });
    const { address } = await accessSource(readConfig({ DRAGONFLY_URL: server.url }))();
    let logins = 0;
    const access: Access = {
      address,
      ca: undefined,
      loginLifetimeMs: 60_000,
      login: () => {
        logins++;
        return { username: 'cache', password: 'secret' };
      },
    };
    const config = readConfig({ ...PATIENT, AWS_LAMBDA_FUNCTION_NAME: 'get' });
    const connection = new Connection(async () => access, profileFor(config), log);
    const get = () => connection.run((client) => client.get('k'));
    await get();
    const young = await commandsDuring(server.url, () => Promise.all([get(), get(), get()]));
    expect(young).toEqual({ get: 3 });
    const before = logins;
    const { now } = Date;
    let old: object;
    try {
      Date.now = () => now() + 61_000;
      old = await commandsDuring(server.url, async () => {
        await get();
        await get();
      });
    } finally {
      Date.now = now;
    }
    expect(old).toEqual({ auth: 1, get: 2 });
    expect(logins).toBe(before + 1);
    await connection.close();
    await server.stop();
  });

  test.each([
    [{ ...env, DRAGONFLY_URL: 'valkeys://127.0.0.1:6379' }, 'user'],
    [{ ...env, DRAGONFLY_URL: 'valkey://cache-user@127.0.0.1:6379' }, 'TLS'],
    [{ DRAGONFLY_IAM_CACHE: 'c' }, 'user'],
    [{ ...env, DRAGONFLY_SECRET_ARN: ARN }, 'DRAGONFLY_SECRET_ARN'],
    [{ ...env, DRAGONFLY_IAM_CACHE: 'my_cache' }, 'name'],
    [{ ...env, DRAGONFLY_IAM_CACHE: `${ACCOUNT}:user:cache-user` }, 'replication group'],
    [{ ...env, DRAGONFLY_IAM_CACHE: 'valkeys://u:pw@host' }, 'not a URL with a login'],
  ])('is rejected at the start with the settings %j', (settings, reason) => {
    expect(() => readConfig(settings)).toThrow(new RegExp(`^DRAGONFLY_IAM_CACHE .*${reason}`));
  });
});
