import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { type Server, startServer } from '../support/engines/server.ts';
import { firstRows } from '../support/long-run.ts';
import { IMPATIENT } from '../support/patience.ts';
import { Client, dataOf, detailsOf } from './client.ts';
import { type Environment, type Service, startService } from './service.ts';

/** All special characters of URLs, and some of shells and of Redis ACL rules; no white space. */
const PASSWORD = `p@:/?#[]%25&=+,;$!*'"\\|^~<>{}\`-secret`;
const USER_PASSWORD = `u@:/%2F?#&=+,-secret`;
const encoded = encodeURIComponent;

/** Starts a service and stops it after its test: the tests run concurrently, so that no shared hook can stop them. */
async function start(env: Environment, { onTestFinished }: TestContext): Promise<Service> {
  const service = await startService(env);
  onTestFinished(() => service.stop());
  return service;
}

async function expectServes(env: Environment, context: TestContext): Promise<Client> {
  const service = await start(env, context);
  const client = new Client(service);
  dataOf(await client.set('k', '1.0'), 201);
  expect(dataOf(await client.get('k'), 200)).toMatchObject({ found: true });
  expect(dataOf(await client.invalidate({ pattern: 'k*' }), 200).count).toBe(1);
  expect((await client.send({ target: '/health' })).status).toBe(200);
  expect(service.stdout() + service.stderr()).not.toContain('secret');
  return client;
}

interface Refusal {
  /** Must occur in the log. */
  reason: RegExp;
  /** Must not occur in the log or in a response. */
  secret: string;
}

/** Starts a service whose login its backend rejects, and expects 503 with the reason in the log. */
async function expectRefused(
  env: Environment,
  context: TestContext,
  { reason, secret }: Refusal,
): Promise<void> {
  const service = await start({ ...env, ...IMPATIENT }, context);
  const client = new Client(service);
  const [answer, health] = await Promise.all([client.get('k'), client.send({ target: '/health' })]);
  detailsOf(answer, 503, 'BACKEND_UNAVAILABLE');
  expect(answer.headers['retry-after']).toBe('1');
  expect(health.status).toBe(503);
  await context.expect.poll(service.stdout).toMatch(reason);
  await service.stop();
  for (const told of [service.stdout(), service.stderr(), answer.text, health.text]) {
    expect(told).not.toContain(secret);
    expect(told).not.toContain(encoded(secret));
  }
}

describe.concurrent('a service whose backend has passwords', () => {
  let server: Server;
  let address: string;

  beforeAll(async () => {
    server = await startServer({
      password: PASSWORD,
      users: { cache: `on >${USER_PASSWORD} ~* &* +@all`, idle: 'off >idle-secret ~* &* +@all' },
    });
    address = `${server.host}:${server.port}`;
  });
  afterAll(() => server.stop());

  test.for(firstRows(1, ['dragonfly', 'redis', 'valkey']))(
    'logs in with a password and no user: %s',
    async (scheme, context) => {
      await expectServes({ DRAGONFLY_URL: `${scheme}://:${encoded(PASSWORD)}@${address}` }, context);
    },
  );

  const USERS = [
    ['cache', USER_PASSWORD],
    ['default', PASSWORD],
  ] as const;
  test.for(firstRows(1, USERS))('logs in with a user and password: %s', async ([user, password], context) => {
    await expectServes({ DRAGONFLY_URL: `dragonfly://${user}:${encoded(password)}@${address}` }, context);
  });

  test('uses the database number of the URL', async (context) => {
    const settings = (db: number) => ({
      DRAGONFLY_URL: `dragonfly://:${encoded(PASSWORD)}@${address}/${db}`,
    });
    const one = await expectServes(settings(1), context);
    dataOf(await one.set('k', '1'), 201);
    const two = new Client(await start(settings(2), context), one.tenant);
    expect([await one.holds('k'), await two.holds('k')]).toEqual([true, false]);
    const again = new Client(await start(settings(1), context), one.tenant);
    expect(await again.holds('k')).toBe(true);
  });

  const REJECTED = [
    ['a wrong password', '', 'another-secret'],
    ['the wrong password of a user', 'cache', PASSWORD],
    ['an unknown user', 'nobody', PASSWORD],
    ['a disabled user', 'idle', 'idle-secret'],
  ] as const;
  test.for(firstRows(2, REJECTED))(
    'answers 503 and logs WRONGPASS with %s',
    async ([, user, secret], context) => {
      const url = `dragonfly://${user}:${encoded(secret)}@${address}`;
      await expectRefused({ DRAGONFLY_URL: url }, context, { reason: /WRONGPASS/, secret });
    },
  );

  test('answers 503 and logs NOAUTH without a password', async (context) => {
    const refusal = { reason: /NOAUTH/, secret: PASSWORD };
    await expectRefused({ DRAGONFLY_URL: `dragonfly://${address}` }, context, refusal);
  });
});

describe.concurrent('a service whose backend requires TLS', () => {
  let server: Server;
  let address: string;
  let trust: Environment;

  beforeAll(async () => {
    server = await startServer({ tls: true, password: PASSWORD });
    address = `:${encoded(PASSWORD)}@${server.host}:${server.port}`;
    trust = { NODE_EXTRA_CA_CERTS: server.caFile as string };
  });
  afterAll(() => server.stop());

  test.for(firstRows(1, ['dragonflys', 'rediss', 'valkeys']))(
    'connects with the URL scheme %s',
    async (scheme, context) => {
      await expectServes({ ...trust, DRAGONFLY_URL: `${scheme}://${address}` }, context);
    },
  );

  test('answers 503 and logs the certificate error if the certificate is not trusted', async (context) => {
    const refusal = { reason: /certificate/, secret: PASSWORD };
    await expectRefused({ DRAGONFLY_URL: `dragonflys://${address}` }, context, refusal);
  });

  test('answers 503 and logs a warning if the URL is without TLS', async (context) => {
    const refusal = { reason: /"WARN"/, secret: PASSWORD };
    await expectRefused({ ...trust, DRAGONFLY_URL: `dragonfly://${address}` }, context, refusal);
  });
});
