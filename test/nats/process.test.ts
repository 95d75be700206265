import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startProxy } from '../faults/proxy.ts';
import { startNats } from '../support/engines/nats.ts';
import { createStopAfterTest } from './resources.ts';
import { subscribe } from './subscriber.ts';

const stopAfterTest = createStopAfterTest();

const SERVICE = new URL('../../lib/service.ts', import.meta.url).href;

/** Runs a process that starts the service, executes the lines and has nothing else to do. */
function run(natsUrl: string, lines: string) {
  const script = `
    const { startService } = await import(${JSON.stringify(SERVICE)});
    const { events } = await startService();
    const publish = (key) => events.publish({ tenant: 'acme', correlationId: 'c' }, { type: 'set', key });
    ${lines}`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, ENABLE_NATS: 'true', NATS_URL: natsUrl },
    // A process that does not end is killed. Its exit code is null.
    timeout: 20_000,
  });
  return Promise.all([text(child.stdout), once(child, 'exit')]);
}

test('a process that is connected to its broker exits when it has nothing else to do', async () => {
  const nats = await stopAfterTest(startNats());
  const subscriber = await stopAfterTest(subscribe(nats.url));
  const [, [code]] = await run(
    nats.url,
    "publish('k'); await new Promise((done) => setTimeout(done, 1000));",
  );
  expect(code).toBe(0);
  expect(subscriber.received).toHaveLength(1);
});

test.each(['refusing connections', 'silent'])(
  'a process whose broker is %s exits when it has nothing else to do',
  async (how) => {
    const nats = await stopAfterTest(startNats());
    const proxy = await stopAfterTest(startProxy(nats.port));
    if (how === 'refusing connections') await proxy.refuse();
    else proxy.drop();
    const [, [code]] = await run(proxy.url.replace('redis:', 'nats:'), "publish('k');");
    expect(code).toBe(0);
  },
);

test('the service loads no code for events if events are disabled', async () => {
  const { stdout } = spawn(
    process.execPath,
    [
      '--input-type=module',
      '--eval',
      `const { registerHooks } = await import('node:module');
       registerHooks({ load: (url, context, next) => { console.log(url); return next(url, context); } });
       await (await import(${JSON.stringify(SERVICE)})).startService();`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env.PATH, NATS_URL: 'nats://broker' } },
  );
  const loaded = await text(stdout);
  expect(loaded).toContain('/lib/service.ts');
  expect(loaded).not.toMatch(/nats-io|events\/nats\.ts/);
});
