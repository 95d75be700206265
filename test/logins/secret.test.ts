import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createLog } from '../../lib/log/log.ts';
import { openStore } from '../../lib/store/open.ts';
import type { CacheStore } from '../../lib/store/store.ts';
import { newTenant } from '../conformance/backends.ts';
import { startCluster, type TestCluster } from '../support/engines/cluster.ts';
import { masters, withRawClient } from '../support/engines/inspect.ts';
import { type Server, startServer } from '../support/engines/server.ts';
import { IMPATIENT, PATIENT } from '../support/patience.ts';
import { ARN, environmentFor, type SecretsManager, startSecretsManager } from './secrets-manager.ts';

/** The log of the service in the current test. */
let logged: string;
const log = createLog({ logLevel: 'INFO', serviceName: 'test' }, (line) => {
  logged += line;
});

const open = (env: Record<string, string>): Promise<CacheStore> =>
  openStore(readConfig({ ...PATIENT, ...env }), log);

/** Expects a get to fail, and the log to contain the reason. */
async function expectRefused(store: CacheStore, reason: RegExp): Promise<void> {
  await expect(store.get('t', 'k')).rejects.toMatchObject({ code: 'BACKEND_UNAVAILABLE' });
  await expect.poll(() => logged).toMatch(reason);
}

beforeEach(() => {
  logged = '';
});
afterEach(() => {
  vi.unstubAllEnvs();
});

/** Changes a password as a server's administrator does: the old password becomes invalid, and the user's connections are closed. */
async function changePassword(server: Server, user: string, password: string): Promise<void> {
  await withRawClient(
    server.url,
    async (client) => {
      for (const node of masters(client)) {
        await node.call('ACL', 'SETUSER', user, 'resetpass', `>${password}`);
        await node.call('CLIENT', 'KILL', 'USER', user);
      }
    },
    { ca: server.ca },
  );
}

describe('a login from a secret', () => {
  let server: Server;
  let manager: SecretsManager;
  let store: CacheStore;

  beforeAll(async () => {
    server = await startServer({
      tls: true,
      password: 'root',
      users: { cache: 'on >first ~{cache:* &* +@all' },
    });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await changePassword(server, 'cache', 'first');
    manager = await startSecretsManager(secretWith('first'));
    for (const [name, value] of Object.entries(environmentFor(manager))) vi.stubEnv(name, value);
  });
  afterEach(async () => {
    await store.close();
    await manager.stop();
  });

  const address = () => ({
    DRAGONFLY_URL: `dragonflys://${server.host}:${server.port}`,
    DRAGONFLY_SECRET_ARN: ARN,
  });
  const secretWith = (password: string) => JSON.stringify({ username: 'cache', password, ca: server.ca });

  test('connects over TLS and trusts the authority in the secret', async () => {
    store = await open(address());
    await store.set('t', 'k', '1.0', 60);
    expect((await store.get('t', 'k'))?.value).toBe('1.0');
    expect(manager.requests).toBe(1);
  });

  test('connects to the URL in the secret', async () => {
    const url = `rediss://cache:first@${server.host}:${server.port}`;
    manager.secret = JSON.stringify({ url, ca: server.ca });
    store = await open({ DRAGONFLY_SECRET_ARN: ARN });
    await store.set('t', 'k', '2', 60);
    expect((await store.get('t', 'k'))?.value).toBe('2');
  });

  test('fails without the authority in the secret, and succeeds after the authority was added to the secret', async () => {
    manager.secret = JSON.stringify({ username: 'cache', password: 'first' });
    store = await open({ ...IMPATIENT, ...address() });
    await expectRefused(store, /certificate/);
    manager.secret = secretWith('first');
    await expect
      .poll(() =>
        store.set('t', 'k', '3', 60).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  test('succeeds with the new password after a change, and no request fails', async () => {
    store = await open(address());
    const tenant = newTenant();
    let running = true;
    let done = 0;
    const requests = Array.from({ length: 8 }, async (_, i) => {
      for (let n = 0; running; n++) {
        await store.set(tenant, `k:${i}`, String(n), 60);
        expect((await store.get(tenant, `k:${i}`))?.value).toBe(String(n));
        done++;
      }
    });
    for (const password of ['second', 'third', 'fourth']) {
      const before = done;
      manager.secret = secretWith(password);
      await changePassword(server, 'cache', password);
      await expect.poll(() => done).toBeGreaterThan(before + 50);
    }
    running = false;
    await Promise.all(requests);
    // The secret is read again when a login is rejected, and not at every attempt.
    expect(manager.requests).toBeLessThanOrEqual(8);
  });

  test('fails until the secret contains the new password, and succeeds afterwards', async () => {
    store = await open({ ...IMPATIENT, ...address() });
    await expect.poll(() => store.set('t', 'k', '1', 60).then(() => 'set', String)).toBe('set');
    await changePassword(server, 'cache', 'second');
    await expectRefused(store, /WRONGPASS/);
    for (const password of ['first', 'second']) expect(logged).not.toContain(password);
    manager.secret = secretWith('second');
    await expect.poll(() => store.get('t', 'k').catch(() => undefined)).toMatchObject({ value: '1' });
    expect(logged).toContain('backend connection restored');
  });

  test('fails until the secret can be read, and succeeds afterwards', async () => {
    manager.secret = undefined;
    store = await open({ ...IMPATIENT, ...address() });
    await expectRefused(store, /ResourceNotFoundException/);
    manager.secret = secretWith('first');
    await expect
      .poll(() =>
        store.get('t', 'absent').then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
  });

  test.each([
    ['that is not JSON', '{"password":"s3cr3t-text"'],
    ['without an address', '{"password":"s3cr3t-text"}'],
    ['with a number as the user name', '{"password":"s3cr3t-text","username":7}'],
    ['with a URL of an unsupported scheme', 'https://user:s3cr3t-text@example.com'],
  ])('fails with a secret %s, and logs the reason without the content of the secret', async (_, secret) => {
    manager.secret = secret;
    store = await open({ ...IMPATIENT, DRAGONFLY_SECRET_ARN: ARN });
    await expectRefused(store, /no access/);
    expect(logged).not.toContain('s3cr3t-text');
  });
});

describe('a login to a cluster', () => {
  let cluster: TestCluster;
  let manager: SecretsManager;
  let store: CacheStore;

  beforeAll(async () => {
    cluster = await startCluster(3, { password: 'root' });
  });
  afterAll(() => cluster.stop());
  beforeEach(async () => {
    await onEveryNode('ACL', 'SETUSER', 'cache', 'on', 'resetpass', '>first', '~*', '&*', '+@all');
    manager = await startSecretsManager(secretWith('first'));
    for (const [name, value] of Object.entries(environmentFor(manager))) vi.stubEnv(name, value);
    const [{ host, port }] = cluster.nodes as [Server];
    store = await open({ DRAGONFLY_URL: `redis://${host}:${port}?cluster=true`, DRAGONFLY_SECRET_ARN: ARN });
  });
  afterEach(async () => {
    await store.close();
    await manager.stop();
  });

  const secretWith = (password: string) => JSON.stringify({ username: 'cache', password });
  async function onEveryNode(command: string, ...args: string[]): Promise<void> {
    for (const { url } of cluster.nodes) await withRawClient(url, (client) => client.call(command, ...args));
  }
  const keys = Array.from({ length: 32 }, (_, i) => `k:${i}`);
  const setAll = (tenant: string) => Promise.all(keys.map((key) => store.set(tenant, key, '1', 60)));

  test('succeeds with the new password after a change, and no request fails', async () => {
    const tenant = newTenant();
    await setAll(tenant);
    manager.secret = secretWith('second');
    for (const node of cluster.nodes) await changePassword(node, 'cache', 'second');
    await setAll(tenant);
    expect((await Promise.all(keys.map((key) => store.get(tenant, key)))).every(Boolean)).toBe(true);
  });

  test('succeeds with the new password on nodes to which the client first connects after the change', async () => {
    const tenant = newTenant();
    expect(await store.get(tenant, 'absent')).toBeUndefined();
    manager.secret = secretWith('second');
    await onEveryNode('ACL', 'SETUSER', 'cache', 'resetpass', '>second');
    await setAll(tenant);
  });
});
