import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { BUS_OFFSET, freePort, isFree, LOOPBACK } from './ports.ts';

test.each([
  ['it', 0],
  ['the bus port that belongs to it', BUS_OFFSET],
])('a port is not free while something listens on %s', async (_, offset) => {
  const port = await freePort();
  const listener = createServer().listen(port + offset, LOOPBACK);
  await once(listener, 'listening');
  expect(await isFree(port)).toBe(false);
  listener.close();
  await once(listener, 'close');
  expect(await isFree(port)).toBe(true);
});

test('free ports lie below those that systems hand out for outgoing connections, bus ports included', async () => {
  for (let count = 0; count < 50; count++) {
    const port = await freePort();
    expect(port).toBeGreaterThan(1024);
    expect(port + BUS_OFFSET).toBeLessThan(32_768);
  }
});
