import { describe, expect, test } from 'vitest';
import { banner, describeBackend } from '../../infra/local/banner.ts';
import { readConfig } from '../../lib/config.ts';
import { routes } from '../../lib/http/routes.ts';

const describing = (url: string) => describeBackend(readConfig({ DRAGONFLY_URL: url }));

describe('the backend is described', () => {
  test('as in memory, with its bound, where none is set', () => {
    const withMemory = (MEMORY_MAX_BYTES: string) => describeBackend(readConfig({ MEMORY_MAX_BYTES }));
    expect(withMemory('4096')).toBe('in memory, at most 4096 bytes (DRAGONFLY_URL is not set)');
    expect(withMemory('')).toBe('in memory, at most 256 MiB (DRAGONFLY_URL is not set)');
  });

  test('by its host, its port and its database', () => {
    expect(describing('dragonfly://cache.internal')).toBe('dragonfly at cache.internal:6379 (database 0)');
    expect(describing('redis://[::1]:7000/3')).toBe('dragonfly at [::1]:7000 (database 3)');
  });

  test('with every host of a cluster, and TLS', () => {
    expect(describing('dragonflys://a:1,b:2')).toBe('dragonfly at a:1, b:2 (cluster, TLS)');
  });

  test('without user and password', () => {
    const text = describing('dragonflys://someone:secret@cache.internal:6380');
    expect(text).toBe('dragonfly at cache.internal:6380 (database 0, TLS)');
  });
});

test('what is printed names the service, its address, and every method and path', () => {
  const lines = banner(readConfig({ SERVICE_NAME: 'my-cache' }), routes, 8123).split('\n');
  expect(lines).toContain('my-cache listens on http://localhost:8123');
  const printed = lines.filter((line) => line.startsWith('  ')).map((line) => line.trim().split(/ +/));
  expect(printed).toEqual(routes.flatMap(({ method, paths }) => paths.map((path) => [method, path])));
});
