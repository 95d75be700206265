import { describe, expect, test } from 'vitest';
import { banner, describeBackend } from '../../infra/local/banner.ts';
import { explainBackend } from '../../infra/local/explain.ts';
import { readConfig } from '../../lib/config.ts';
import { BackendUnavailableError } from '../../lib/errors.ts';
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

const printedWith = (docs: boolean) =>
  banner(readConfig({ SERVICE_NAME: 'my-cache' }), routes, { port: 8123, docs }).split('\n');

test('what is printed names the service, its address, and every method and path', () => {
  const lines = printedWith(true);
  expect(lines).toContain('my-cache listens on http://localhost:8123');
  const printed = lines.filter((line) => line.startsWith('  ')).map((line) => line.trim().split(/ +/));
  expect(printed).toEqual(routes.flatMap(({ method, paths }) => paths.map((path) => [method, path])));
});

test('what is printed tells where the docs page is, unless there is none', () => {
  expect(printedWith(true)).toContain('Docs: http://localhost:8123/docs');
  expect(printedWith(false).join('\n')).not.toContain('/docs');
});

describe('a backend that does not answer at the start is explained', () => {
  test.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', 'it refuses the user and password'],
    ['NOAUTH HELLO must be called with the client already authenticated', 'it wants a password'],
    ['self-signed certificate in certificate chain', 'NODE_EXTRA_CA_CERTS'],
    ['connect ECONNREFUSED 10.0.0.7:6379', 'nothing listens there'],
    ['getaddrinfo ENOTFOUND cache.internal', 'no host of this name'],
    ['read ECONNRESET', 'dragonflys://'],
  ])('by what was said: %s', (said, reason) => {
    const line = explainBackend(new BackendUnavailableError(said), false);
    expect(line).toMatch(
      /^The backend does not answer yet \([^()]+\): until it does, requests are answered 503\.$/,
    );
    expect(line).toContain(reason);
    expect(explainBackend(new BackendUnavailableError(new Error(said)), false)).toBe(line);
  });

  test('by its TLS, where that was asked for', () => {
    const line = explainBackend(new BackendUnavailableError('connect ETIMEDOUT'), true);
    expect(line).toContain('it does not answer by TLS, which DRAGONFLY_URL asks for');
    expect(explainBackend(new BackendUnavailableError('connect ETIMEDOUT'), false)).not.toContain('TLS');
  });

  test('without repeating anything that nobody knows', () => {
    const line = 'The backend does not answer yet: until it does, requests are answered 503.';
    expect(explainBackend(new BackendUnavailableError('a secret at 10.0.0.7'), false)).toBe(line);
    expect(explainBackend(undefined, false)).toBe(line);
  });
});
