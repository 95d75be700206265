import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { parseBackendUrl } from '../../lib/config/backend-url.ts';
import { readConfig } from '../../lib/config/config.ts';
import { createClient } from '../../lib/store/redis/connection/client.ts';
import type { Access } from '../../lib/store/redis/connection/credentials.ts';
import { profileFor } from '../../lib/store/redis/connection/profiles.ts';
import { startServer } from '../support/engines/server.ts';

const noLogin = {
  ca: undefined,
  login: () => ({ username: undefined, password: undefined }),
  loginLifetimeMs: undefined,
};

test('a TLS handshake that is aborted halfway does not end the process', async () => {
  const server = await startServer({ tls: true });
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('uncaughtException', note);
  try {
    const lane = async () => {
      for (let cycle = 0; cycle < 100; cycle++) {
        const client = createClient(
          { address: parseBackendUrl(server.url), ...noLogin } satisfies Access,
          profileFor(readConfig({})),
        );
        client.on('error', () => {});
        client.connect().catch(() => {});
        await sleep(Math.random() * 12);
        client.disconnect();
      }
    };
    await Promise.all(Array.from({ length: 10 }, lane));
    await sleep(100);
  } finally {
    process.off('uncaughtException', note);
    await server.stop();
  }
  expect(unhandled).toEqual([]);
});
