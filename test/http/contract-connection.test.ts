import { afterAll, beforeAll, describe, expect, type TestContext, test } from 'vitest';
import { type Server, startServer } from '../support/engines/server.ts';
import { IMPATIENT } from '../support/patience.ts';
import { Client, dataOf, detailsOf } from './client.ts';
import { type Environment, type Service, startService } from './service.ts';

/** Every character that means something in a URL, and some that mean something elsewhere; no white space. */
const PASSWORD = `p@:/?#[]%25&=+,;$!*'"\\|^~<>{}\`-secret`;
const USER_PASSWORD = `u@:/%2F?#&=+,-secret`;
const encoded = encodeURIComponent;

/** Tests run side by side here, so each one ends the services that it started by itself. */
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
  /** What the log must say. */
  reason: RegExp;
  /** What neither it nor an answer may say. */
  secret: string;
}

/** Starts a service that its backend does not let in. */
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

describe.concurrent('on a server with passwords the service', () => {
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

  test.for(['dragonfly', 'redis', 'valkey'])('logs in with a password alone: %s', async (scheme, context) => {
    await expectServes({ DRAGONFLY_URL: `${scheme}://:${encoded(PASSWORD)}@${address}` }, context);
  });

  test.for([
    ['cache', USER_PASSWORD],
    ['default', PASSWORD],
  ])('logs in as a user: %s', async ([user, password], context) => {
    await expectServes(
      { DRAGONFLY_URL: `dragonfly://${user}:${encoded(password as string)}@${address}` },
      context,
    );
  });

  test('uses the database that is named', async (context) => {
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

  test.for([
    ['password', '', 'another-secret'],
    ['password of a user', 'cache', PASSWORD],
    ['user', 'nobody', PASSWORD],
    ['user, who is turned off', 'idle', 'idle-secret'],
  ])('answers 503 with a wrong %s, and the log says why', async ([, user, secret = ''], context) => {
    const url = `dragonfly://${user}:${encoded(secret)}@${address}`;
    await expectRefused({ DRAGONFLY_URL: url }, context, { reason: /WRONGPASS/, secret });
  });

  test('answers 503 without a password, and the log says why', async (context) => {
    const refusal = { reason: /NOAUTH/, secret: PASSWORD };
    await expectRefused({ DRAGONFLY_URL: `dragonfly://${address}` }, context, refusal);
  });
});

describe.concurrent('on a server that speaks TLS the service', () => {
  let server: Server;
  let address: string;
  let trust: Environment;

  beforeAll(async () => {
    server = await startServer({ tls: true, password: PASSWORD });
    address = `:${encoded(PASSWORD)}@${server.host}:${server.port}`;
    trust = { NODE_EXTRA_CA_CERTS: server.caFile as string };
  });
  afterAll(() => server.stop());

  test.for(['dragonflys', 'rediss', 'valkeys'])('connects to it: %s', async (scheme, context) => {
    await expectServes({ ...trust, DRAGONFLY_URL: `${scheme}://${address}` }, context);
  });

  test('does not connect to it unless its certificate is trusted', async (context) => {
    const refusal = { reason: /certificate/, secret: PASSWORD };
    await expectRefused({ DRAGONFLY_URL: `dragonflys://${address}` }, context, refusal);
  });

  test('does not speak to it in the clear', async (context) => {
    const refusal = { reason: /"WARN"/, secret: PASSWORD };
    await expectRefused({ ...trust, DRAGONFLY_URL: `dragonfly://${address}` }, context, refusal);
  });
});
