import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { BUS_OFFSET, freePort, isFree, LOOPBACK, onFreePort } from './ports.ts';

test.each([
  ['it', 0],
  ['its cluster bus port', BUS_OFFSET],
])('a port is not free while something listens on %s', async (_, offset) => {
  const port = await freePort();
  const listener = createServer().listen(port + offset, LOOPBACK);
  await once(listener, 'listening');
  expect(await isFree(port)).toBe(false);
  listener.close();
  await once(listener, 'close');
  expect(await isFree(port)).toBe(true);
});

test('free ports and their bus ports are below the range of ephemeral ports', async () => {
  for (let count = 0; count < 50; count++) {
    const port = await freePort();
    expect(port).toBeGreaterThan(1024);
    expect(port + BUS_OFFSET).toBeLessThan(32_768);
  }
});

test('onFreePort retries on another port when another process took the port', async () => {
  const port = await freePort();
  const other = createServer().listen(port, LOOPBACK);
  await once(other, 'listening');
  const tried: number[] = [];
  const listener = await onFreePort(async (free) => {
    tried.push(free);
    const server = createServer().listen(tried.length === 1 ? port : free, LOOPBACK);
    await once(server, 'listening');
    return server;
  });
  expect(tried).toHaveLength(2);
  expect(listener.address()).toMatchObject({ port: tried[1] });
  listener.close();
  other.close();
});

test('onFreePort does not retry after another error', async () => {
  const tried: number[] = [];
  const starting = onFreePort(async (port) => {
    tried.push(port);
    throw new Error('no memory');
  });
  await expect(starting).rejects.toThrow('no memory');
  expect(tried).toHaveLength(1);
});
