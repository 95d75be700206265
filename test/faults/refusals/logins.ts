import { setTimeout as sleep } from 'node:timers/promises';
import { ARN, environmentFor, startSecretsManager } from '../../logins/secrets-manager.ts';
import type { Server } from '../../support/engines/server.ts';
import { underLoad } from '../harness/experiment.ts';
import type { Scenario } from '../harness/scenario.ts';
import { administer, KILL_ALL, startObedientServer } from './engine.ts';

const USER = 'cache';
const ROOT_PASSWORD = 'root-of-the-server';
const FIRST = 'first-pass-word';
const REFUSED_MS = 1200;

/** Starts a server with a user for the service and a separate administrator. */
function startWithUser(tls = false): Promise<Server> {
  return startObedientServer({
    tls,
    password: ROOT_PASSWORD,
    users: { [USER]: `on >${FIRST} ~{cache:* &* +@all` },
  });
}

/** Replaces the password, and closes the connections that were authenticated with the old one. */
function changePassword(server: Server, password: string): Promise<void> {
  return administer(server, ['ACL', 'SETUSER', USER, 'resetpass', `>${password}`], KILL_ALL);
}

/** A wrong password in a setting. Only a change on the server can repair it. */
const wrongPassword: Scenario = {
  name: 'wrong-password',
  breaks: 'password refused, from the start and later',
  async run({ pick }) {
    const server = await startWithUser();
    try {
      const other = 'another-pass-word';
      await changePassword(server, other);
      const url = `redis://${USER}:${FIRST}@${server.host}:${server.port}`;
      const experiment = {
        env: { DRAGONFLY_URL: url },
        brokenAtStart: true,
        secrets: [FIRST, ROOT_PASSWORD, other],
      };
      return await underLoad(experiment, async (load) => {
        for (let round = 0; round < pick(2, 6); round++) {
          await load.during(async () => {
            await changePassword(server, other);
            await sleep(REFUSED_MS);
            await changePassword(server, FIRST);
          });
          await sleep(200);
        }
      });
    } finally {
      await server.stop();
    }
  },
};

/** The password is changed in the secret first, then on the server. No request may fail. */
const rotatedPassword: Scenario = {
  name: 'password-rotated',
  breaks: 'password rotated, and the secret with it',
  async run({ pick }) {
    const server = await startWithUser();
    const secretWith = (password: string) => JSON.stringify({ username: USER, password });
    const manager = await startSecretsManager(secretWith(FIRST));
    try {
      const env = {
        ...environmentFor(manager),
        DRAGONFLY_URL: `redis://${server.host}:${server.port}`,
        DRAGONFLY_SECRET_ARN: ARN,
        AWS_REGION: 'eu-central-1',
      };
      return await underLoad({ env, secrets: [FIRST, ROOT_PASSWORD, 'rotated-'] }, async (load) => {
        for (let round = 0; round < pick(3, 14); round++) {
          const password = `rotated-${round}`;
          manager.secret = secretWith(password);
          await changePassword(server, password);
          await sleep(pick(700, 1000));
        }
        await load.during(async () => {});
      });
    } finally {
      await manager.stop();
      await server.stop();
    }
  },
};

/** The secret does not contain the authority that signed the server's certificate. Later it is added. */
const untrusted: Scenario = {
  name: 'certificate-untrusted',
  breaks: "server's TLS certificate not trusted, until the secret names its authority",
  async run({ pick }) {
    const server = await startWithUser(true);
    const secretWith = (ca?: string) => JSON.stringify({ username: USER, password: FIRST, ca });
    const manager = await startSecretsManager(secretWith());
    try {
      const env = {
        ...environmentFor(manager),
        DRAGONFLY_URL: `rediss://${server.host}:${server.port}`,
        DRAGONFLY_SECRET_ARN: ARN,
        AWS_REGION: 'eu-central-1',
      };
      const experiment = { env, brokenAtStart: true, secrets: [FIRST, ROOT_PASSWORD] };
      return await underLoad(experiment, async (load) => {
        await load.during(async () => {
          await sleep(pick(REFUSED_MS, 5000));
          manager.secret = secretWith(server.ca);
        });
        await sleep(200);
      });
    } finally {
      await manager.stop();
      await server.stop();
    }
  },
};

export const rejectedLogins: readonly Scenario[] = [wrongPassword, rotatedPassword, untrusted];
