import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type BackendAddress, parseBackendUrl } from '../../lib/config/backend-url.ts';

const plain: BackendAddress = {
  hosts: [{ host: 'h', port: 6380 }],
  cluster: false,
  tls: false,
  username: undefined,
  password: undefined,
  db: 0,
};

const hosts = (...names: string[]) => names.map((host) => ({ host, port: 6379 }));

describe('a URL of a backend', () => {
  test.each<[string, Partial<BackendAddress>]>([
    ['dragonfly://h:6380', {}],
    ['redis://h:6380', {}],
    ['valkey://h:6380', {}],
    ['dragonflys://h:6380', { tls: true }],
    ['rediss://h:6380', { tls: true }],
    ['valkeys://h:6380', { tls: true }],
    ['redis://h:6380/', {}],
    ['redis://h:6380/0', {}],
    ['redis://h:6380/15', { db: 15 }],
    ['redis://h', { hosts: hosts('h') }],
    ['redis://10.0.0.1', { hosts: hosts('10.0.0.1') }],
    ['redis://my-cache.example.org:1', { hosts: [{ host: 'my-cache.example.org', port: 1 }] }],
    ['redis://[::1]:65535', { hosts: [{ host: '::1', port: 65_535 }] }],
    ['redis://[2001:db8::1]', { hosts: hosts('2001:db8::1') }],
    ['redis://:secret@h:6380', { password: 'secret' }],
    ['redis://user:secret@h:6380/2', { username: 'user', password: 'secret', db: 2 }],
    ['redis://user:a:b@h:6380', { username: 'user', password: 'a:b' }],
    ['redis://us%40er:p%40%3A%2F%3F%23%25%2B+%C3%A9@h:6380', { username: 'us@er', password: 'p@:/?#%++é' }],
    ['redis://user@h:6380', { username: 'user' }],
    ['redis://@h:6380', {}],
    ['redis://h:6380?cluster=true', { cluster: true }],
    ['redis://h:6380/?cluster=true', { cluster: true }],
    ['redis://h:6380/0?cluster=true', { cluster: true }],
    ['redis://h:6380?cluster=false', {}],
    ['redis://h:6380/3?cluster=false', { db: 3 }],
    [
      'rediss://u:p@a,b:1,[::1]:2',
      {
        hosts: [...hosts('a'), { host: 'b', port: 1 }, { host: '::1', port: 2 }],
        cluster: true,
        tls: true,
        username: 'u',
        password: 'p',
      },
    ],
    ['redis://a,b/0', { hosts: hosts('a', 'b'), cluster: true }],
  ])('is parsed: %s', (url, differences) => {
    expect(parseBackendUrl(url)).toEqual({ ...plain, ...differences });
  });

  const SHAPE = 'must look like dragonfly://[user:password@]host:port[/db], or redis:// or valkey://';
  const SCHEME = /^must begin with one of dragonfly, .* and :\/\/$/;
  const DATABASE = 'must have nothing or a database number after the /';

  test.each<[string, string | RegExp]>([
    ['', SHAPE],
    ['h:6379', SHAPE],
    ['dragonfly:h:6379', SHAPE],
    ['dragonfly://', SHAPE],
    ['dragonfly:///0', SHAPE],
    ['dragonfly://:6379', SHAPE],
    ['dragonfly://secret@', SHAPE],
    ['http://h:80', SCHEME],
    ['dragonflyss://h', SCHEME],
    ['constructor://h', SCHEME],
    ['dragonfly://h:0', SHAPE],
    ['dragonfly://h:65536', SHAPE],
    ['dragonfly://h:-1', SHAPE],
    ['dragonfly://h:port', SHAPE],
    ['dragonfly://h:', SHAPE],
    ['dragonfly://::1', SHAPE],
    ['dragonfly://[::1', SHAPE],
    ['dragonfly://a,', SHAPE],
    ['dragonfly://a,,b', SHAPE],
    ['dragonfly://a, b', SHAPE],
    ['dragonfly://user:p@ss@h', SHAPE],
    ['dragonfly://user:p/ss@h', SHAPE],
    ['dragonfly://user:p#ss@h', SHAPE],
    ['dragonfly://h#fragment', SHAPE],
    ['dragonfly://h/one', DATABASE],
    ['dragonfly://h/-1', DATABASE],
    ['dragonfly://h/1/2', DATABASE],
    ['dragonfly://h/1.5', DATABASE],
    ['dragonfly://a,b/1', 'must not contain a database: a cluster has only database 0'],
    ['dragonfly://h/1?cluster=true', 'must not contain a database: a cluster has only database 0'],
    ['dragonfly://h?cluster=1', 'may have only the option ?cluster=true'],
    ['dragonfly://h?cluster', 'may have only the option ?cluster=true'],
    ['dragonfly://h?db=1', 'may have only the option ?cluster=true'],
    ['dragonfly://h?cluster=true&tls=true', 'may have only the option ?cluster=true'],
    ['dragonfly://user:100%@h', 'has a user or password that is not percent-encoded'],
    ['dragonfly://user:%FF@h', 'has a user or password that is not percent-encoded'],
  ])('is rejected: %s', (url, problem) => {
    expect(messageFor(url)).toMatch(
      problem instanceof RegExp ? problem : new RegExp(`^${escaped(problem)}$`),
    );
  });

  test('is parsed into the user, password, host and database that were encoded into it', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(
        text,
        text,
        fc.domain(),
        fc.integer({ min: 1, max: 65_535 }),
        fc.nat({ max: 15 }),
        (...parts) => {
          const [username, password, host, port, db] = parts;
          const login = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
          expect(parseBackendUrl(`dragonfly://${login}@${host}:${port}/${db}`)).toEqual({
            ...plain,
            hosts: [{ host, port }],
            username,
            password,
            db,
          });
        },
      ),
    );
  });

  test('does not appear in the error message', () => {
    const noise = fc.string({
      unit: fc.constantFrom('/', '?', '#', '@', ':', '%', ',', '[', ' ', 'x', '0', '='),
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(noise, { minLength: 5, maxLength: 5 }), ([a, b, c, d, e]) => {
        const url = `dragonfly${a}://hunter1${b}:hunter2${c}@hunter3${d}/0${e}`;
        expect(messageFor(url) ?? '').not.toContain('hunter');
      }),
      { numRuns: 1000 },
    );
  });
});

function messageFor(url: string): string | undefined {
  try {
    parseBackendUrl(url);
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
