import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { readNats } from '../../lib/config/nats.ts';
import { connect } from '../../lib/events/connect.ts';
import { readNatsAccess } from '../../lib/events/credentials.ts';
import { ARN, environmentFor, startSecretsManager } from '../logins/secrets-manager.ts';
import { type NatsServer, startNats } from '../support/engines/nats.ts';
import { makeAccount } from './accounts.ts';
import { numbersOf, startPublisher } from './publishing.ts';
import { createStopAfterTest } from './resources.ts';
import { subscribe } from './subscriber.ts';

const stopAfterTest = createStopAfterTest();

afterEach(() => {
  vi.unstubAllEnvs();
  vi.useRealTimers();
});

/** Writes a file that only its owner may read, and removes it after the test. @returns its path */
async function writeLogin(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'cache-logins-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'login');
  await writeFile(file, text, { mode: 0o600 });
  return file;
}

/** Logs in with the settings. Rejects if the broker rejects the login. */
async function logIn(env: Record<string, string>): Promise<void> {
  const settings = readNats({ ENABLE_NATS: 'true', ...env });
  if (!settings) throw new Error('ENABLE_NATS is true, but there are no settings');
  const access = await readNatsAccess(settings);
  const connection = await connect(access, access.address.servers[0], 'test');
  await connection.flush();
  await connection.close();
}

const withLogin = ({ url }: NatsServer, login: string) => url.replace('://', `://${login}@`);

describe('a login to the broker succeeds', () => {
  test('with the user and password of the URL', async () => {
    const server = await stopAfterTest(
      startNats({ config: 'authorization { users: [{ user: "a@b", password: "p,w:d/" }] }' }),
    );
    await logIn({ NATS_URL: withLogin(server, 'a%40b:p%2Cw%3Ad%2F') });
    await expect(logIn({ NATS_URL: withLogin(server, 'a%40b:wrong') })).rejects.toThrow(/Authorization/);
    await expect(logIn({ NATS_URL: server.url })).rejects.toThrow(/Authorization/);
  });

  test('with the token of the URL', async () => {
    const server = await stopAfterTest(startNats({ config: 'authorization { token: "t0ken" }' }));
    await logIn({ NATS_URL: withLogin(server, 't0ken') });
    await expect(logIn({ NATS_URL: withLogin(server, 'other') })).rejects.toThrow(/Authorization/);
  });

  test('with an nkey seed, given as text or as a file', async () => {
    const user = nkeys.createUser();
    const seed = Buffer.from(user.getSeed()).toString();
    const server = await stopAfterTest(
      startNats({ config: `authorization { users: [{ nkey: "${user.getPublicKey()}" }] }` }),
    );
    const file = await writeLogin(`${seed}\n`);
    await logIn({ NATS_URL: server.url, NATS_CREDS: seed });
    await logIn({ NATS_URL: server.url, NATS_CREDS: file });
    const other = Buffer.from(nkeys.createUser().getSeed()).toString();
    await expect(logIn({ NATS_URL: server.url, NATS_CREDS: other })).rejects.toThrow(/Authorization/);
  });

  test('with credentials that contain a JWT, given as text or as a file', async () => {
    const { config, creds } = makeAccount();
    const server = await stopAfterTest(startNats({ config }));
    const file = await writeLogin(creds);
    await logIn({ NATS_URL: server.url, NATS_CREDS: creds });
    await logIn({ NATS_URL: server.url, NATS_CREDS: file });
    await expect(logIn({ NATS_URL: server.url, NATS_CREDS: makeAccount().creds })).rejects.toThrow(
      /Authorization/,
    );
  });

  test('with a secret that contains credentials, the URL, or both and an authority', async () => {
    const { config, creds } = makeAccount();
    const server = await stopAfterTest(startNats({ config, tls: true }));
    const manager = await stopAfterTest(startSecretsManager(creds));
    for (const [name, value] of Object.entries(environmentFor(manager))) vi.stubEnv(name, value);
    manager.secret = JSON.stringify({ url: server.url, creds, ca: server.ca });
    await logIn({ NATS_SECRET_ARN: ARN });
    manager.secret = JSON.stringify({ creds, ca: server.ca, note: 1 });
    await logIn({ NATS_SECRET_ARN: ARN, NATS_URL: server.url });

    const open = await stopAfterTest(startNats({ config }));
    manager.secret = `\n${creds}`;
    await logIn({ NATS_SECRET_ARN: ARN, NATS_URL: open.url });
    manager.secret = `${open.url}\n`;
    await logIn({ NATS_SECRET_ARN: ARN, NATS_CREDS: creds });

    const user = nkeys.createUser();
    const byKey = await stopAfterTest(
      startNats({ config: `authorization { users: [{ nkey: "${user.getPublicKey()}" }] }` }),
    );
    manager.secret = Buffer.from(user.getSeed()).toString();
    await logIn({ NATS_SECRET_ARN: ARN, NATS_URL: byKey.url });

    for (const secret of [
      '{"creds": hunter2}',
      '{"creds": 7, "x": "hunter2"}',
      '{"x": "hunter2"}',
      'hunter2',
    ]) {
      manager.secret = secret;
      await expect(logIn({ NATS_SECRET_ARN: ARN })).rejects.toThrow(/^(?!.*hunter2)/s);
    }
  });
});

test('a login that cannot be read fails with a message that contains no part of it', async () => {
  const NATS_URL = 'nats://127.0.0.1:1';
  await expect(logIn({ NATS_URL, NATS_CREDS: 'hunter2' })).rejects.toThrow(
    /^NATS_CREDS is not the path of a readable file \(ENOENT\)$/,
  );
  const server = await stopAfterTest(startNats({ config: 'authorization { token: "t" }' }));
  const mistyped = `SU${'A'.repeat(56)}`;
  await expect(logIn({ NATS_URL: server.url, NATS_CREDS: mistyped })).rejects.toThrow(/^(?!.*AAAA)/s);
  const cut = '-----BEGIN NATS USER JWT-----\nhunter2';
  await expect(logIn({ NATS_URL, NATS_CREDS: cut })).rejects.toThrow(/^The credentials contain no nkey/);
});

test('a login that was replaced in its file is used after the broker has rejected the old one', async () => {
  // `performance` decides when the file is read again.
  vi.useFakeTimers({ toFake: ['performance'] });
  const user = nkeys.createUser();
  const server = await stopAfterTest(
    startNats({
      config: `authorization { users: [{ nkey: "${user.getPublicKey()}" }, { user: u, password: p }] }`,
    }),
  );
  const file = await writeLogin(Buffer.from(nkeys.createUser().getSeed()).toString());
  const subscriber = await stopAfterTest(subscribe(server.url, 'cache.events.>', { user: 'u', pass: 'p' }));
  const publisher = startPublisher({ NATS_URL: server.url, NATS_CREDS: file });
  publisher.send(1);
  await expect
    .poll(() => publisher.lines)
    .toEqual([expect.objectContaining({ level: 'WARN', error: 'Authorization Violation' })]);
  await writeFile(file, Buffer.from(user.getSeed()).toString());
  vi.advanceTimersByTime(11_000);
  await expect.poll(() => numbersOf(subscriber)).toEqual([1]);
});

describe('TLS', () => {
  test('connects with tls:// if the authority is known, and fails if it is not', async () => {
    const server = await stopAfterTest(startNats({ tls: true }));
    const access = { address: { ...addressOf(server), tls: true }, ca: server.ca, authenticator: undefined };
    for (const host of ['127.0.0.1', 'localhost']) {
      const connection = await connect(access, { host, port: server.port }, 'test');
      await connection.close();
    }
    await expect(logIn({ NATS_URL: server.url })).rejects.toThrow(/certificate/);
    await expect(logIn({ NATS_URL: server.url.replace('tls:', 'nats:') })).rejects.toThrow(/certificate/);
  });

  test('fails if the address of the server is not in its certificate', async ({ skip }) => {
    skip(process.platform !== 'linux', 'only Linux has 127.0.0.2 on every machine');
    const server = await stopAfterTest(startNats({ tls: true }));
    const access = { address: { ...addressOf(server), tls: true }, ca: server.ca, authenticator: undefined };
    const elsewhere = createServer((client) => {
      client
        .pipe(connectSocket(server.port, '127.0.0.1').on('error', () => {}))
        .pipe(client.on('error', () => {}));
    });
    await stopAfterTest({ stop: () => elsewhere.close() });
    elsewhere.listen({ port: server.port, host: '127.0.0.2', exclusive: true });
    await once(elsewhere, 'listening');
    await expect(connect(access, { host: '127.0.0.2', port: server.port }, 'test')).rejects.toThrow(
      /does not match certificate/,
    );
  });

  test('fails with tls:// if the server has no TLS', async () => {
    const server = await stopAfterTest(startNats());
    await expect(logIn({ NATS_URL: server.url.replace('nats:', 'tls:') })).rejects.toThrow(/'tls'/);
  });
});

function addressOf({ port }: NatsServer) {
  return { servers: [{ host: '127.0.0.1', port }] as [{ host: string; port: number }], login: undefined };
}
