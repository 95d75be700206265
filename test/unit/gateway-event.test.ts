import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createEvent } from '../../infra/server/gateway-event.ts';
import { type IncomingRequest, readHead, readQuery, readTarget } from '../../infra/server/request.ts';
import { anyCharacter } from '../support/characters.ts';

const REQUEST: IncomingRequest = {
  method: 'GET',
  protocol: 'HTTP/1.1',
  target: { path: '/health', rawQuery: '' },
  head: { headers: { host: 'cache.example.org:8080', 'user-agent': 'curl/8' }, bytes: 0 },
  body: undefined,
  sourceIp: '192.0.2.1',
  receivedEpochMs: Date.UTC(2026, 2, 5, 7, 8, 9, 123),
  requestId: 'c0ffee',
};
const MATCH = { name: 'health', routeKey: 'GET /health' };

const eventOf = (changes: Partial<IncomingRequest>) => createEvent({ ...REQUEST, ...changes }, MATCH);

describe('an event', () => {
  test('has exactly the members that apply', () => {
    expect(createEvent(REQUEST, MATCH)).toStrictEqual({
      version: '2.0',
      routeKey: 'GET /health',
      rawPath: '/health',
      rawQueryString: '',
      headers: { host: 'cache.example.org:8080', 'user-agent': 'curl/8' },
      requestContext: {
        accountId: '000000000000',
        apiId: 'local',
        domainName: 'cache.example.org',
        domainPrefix: 'cache',
        http: {
          method: 'GET',
          path: '/health',
          protocol: 'HTTP/1.1',
          sourceIp: '192.0.2.1',
          userAgent: 'curl/8',
        },
        requestId: 'c0ffee',
        routeKey: 'GET /health',
        stage: '$default',
        time: '05/Mar/2026:07:08:09 +0000',
        timeEpoch: 1_772_694_489_123,
      },
      isBase64Encoded: false,
    });
  });

  test('is the same after a conversion to JSON and back', () => {
    const event = eventOf({ body: Buffer.from('{}'), target: { path: '/a', rawQuery: 'b=c' } });
    expect(JSON.parse(JSON.stringify(event))).toEqual(event);
  });

  test.each([
    ['localhost:8080', 'localhost', 'localhost'],
    ['a.b.c', 'a.b.c', 'a'],
    ['[::1]:8080', '[::1]', '[::1]'],
    ['[::1]', '[::1]', '[::1]'],
    ['', '', ''],
  ])('for the host %j has the domain name %j', (host, domainName, domainPrefix) => {
    const event = eventOf({ head: { headers: { host }, bytes: 0 } });
    expect(event.requestContext).toMatchObject({ domainName, domainPrefix });
  });

  test('has the time of its own request', () => {
    const timeAt = (receivedEpochMs: number) => eventOf({ receivedEpochMs }).requestContext.time;
    expect(timeAt(Date.UTC(2027, 0, 1))).toBe('01/Jan/2027:00:00:00 +0000');
    expect(timeAt(Date.UTC(2026, 11, 31, 23, 59, 59, 999))).toBe('31/Dec/2026:23:59:59 +0000');
    expect(timeAt(Date.UTC(2027, 0, 1, 0, 0, 0, 999))).toBe('01/Jan/2027:00:00:00 +0000');
  });

  test('has no body if the request has none', () => {
    expect(eventOf({ body: Buffer.alloc(0) })).not.toHaveProperty('body');
  });

  test('has a UTF-8 body as text, including its byte order mark', () => {
    const text = '\ufeff{"é": "日本\u0000𝄞"}';
    expect(eventOf({ body: Buffer.from(text) })).toMatchObject({ body: text, isBase64Encoded: false });
  });

  test.each([
    ['a byte that UTF-8 never has', [0x7b, 0xff, 0x7d]],
    ['a character that is cut short', [0xe6, 0x97]],
    ['an overlong form', [0xc0, 0xaf]],
    ['half a surrogate pair', [0xed, 0xa0, 0x80]],
  ])('has a body with %s in base64', (_, bytes) => {
    const body = Buffer.from(bytes);
    expect(eventOf({ body })).toMatchObject({ body: body.toString('base64'), isBase64Encoded: true });
  });

  test('has every body byte for byte', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ minLength: 1 }),
      fc.string({ unit: anyCharacter, minLength: 1 }).map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(bytes, (sent) => {
        const { body = '', isBase64Encoded } = eventOf({ body: Buffer.from(sent) });
        expect(Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')).toEqual(Buffer.from(sent));
      }),
    );
  });
});

describe('headers', () => {
  test('have names in lower case, and unchanged values', () => {
    expect(readHead(['X-Tenant-ID', 'Acme', 'ACCEPT', 'Text/HTML']).headers).toEqual({
      'x-tenant-id': 'Acme',
      accept: 'Text/HTML',
    });
  });

  test('that occur more than once are joined by commas, whatever their name and its case', () => {
    const { headers } = readHead([
      'X-A',
      '1',
      'host',
      'h',
      'x-a',
      '2',
      'Host',
      'i',
      'X-a',
      '',
      'Content-Type',
      'b',
    ]);
    expect(headers).toEqual({ 'x-a': '1,2,', host: 'h,i', 'content-type': 'b' });
  });

  test('with names of members of every object are not lost', () => {
    const { headers } = readHead(['constructor', 'a', '__proto__', 'b', '__proto__', 'c', 'toString', 'd']);
    expect(Object.entries(headers)).toEqual([
      ['constructor', 'a'],
      ['__proto__', 'b,c'],
      ['tostring', 'd'],
    ]);
  });

  test('do not contain cookies, which are in a list', () => {
    const head = readHead(['Cookie', 'a=1; b=2;c="x"; ', 'X-A', '1', 'cookie', 'd=a=b']);
    expect(head.headers).toEqual({ 'x-a': '1' });
    expect(head.cookies).toEqual(['a=1', 'b=2', 'c="x"', 'd=a=b']);
    expect(readHead(['X-A', '1'])).not.toHaveProperty('cookies');
  });

  test('are counted in bytes as sent', () => {
    const raw = ['Host', 'localhost', 'Cookie', 'a=1; b=2', 'X-A', '1', 'X-A', '2'];
    const wire = 'Host: localhost\r\nCookie: a=1; b=2\r\nX-A: 1\r\nX-A: 2\r\n';
    expect(readHead(raw).bytes).toBe(wire.length);
  });
});

describe('a request target', () => {
  test.each([
    ['/a/b', '/a/b', ''],
    ['/a?b=c', '/a', 'b=c'],
    ['/a?', '/a', ''],
    ['/a?b?c', '/a', 'b?c'],
    ['/%61%2Fb', '/a/b', ''],
    ['/a%3Fb?c', '/a', 'c'],
    ['/%2561', '/%61', ''],
    ['/a+b%20c', '/a+b c', ''],
    ['/%E6%97%A5', '/日', ''],
    ['/a%00%0A', '/a\u0000\n', ''],
    ['/a?b=%2F%zz', '/a', 'b=%2F%zz'],
    ['http://cache.example.org/a?b', '/a', 'b'],
    ['HTTP://cache.example.org', '/', ''],
    ['http://cache.example.org?b', '/', 'b'],
    ['*', '*', ''],
  ])('%j has the path %j and the raw query %j', (url, path, rawQuery) => {
    expect(readTarget(url)).toEqual({ path, rawQuery });
  });

  test.each([
    ['a lone percent sign', '/a%'],
    ['half an escape', '/a%4'],
    ['an escape that is not hexadecimal', '/a%zz'],
    ['encoded bytes that are not UTF-8', '/a%FF'],
    ['an overlong form', '/%C0%AF'],
    ['half a surrogate pair', '/%ED%A0%80'],
    ['a character that is cut short', '/%E6%97'],
  ])('with %s in its path is rejected', (_, url) => {
    expect(readTarget(url)).toBeUndefined();
  });

  test('has every path segment that was encoded, up to a slash or a question mark', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, minLength: 1 }), (segment) => {
        const { path } = readTarget(`/a/${encodeURIComponent(segment)}`) ?? {};
        expect(path).toBe(`/a/${segment.split('?', 1)[0]}`);
      }),
    );
  });
});

describe('query parameters', () => {
  test.each<[string, Record<string, string> | undefined]>([
    ['', undefined],
    ['&', undefined],
    ['key=a', { key: 'a' }],
    ['key=', { key: '' }],
    ['key', { key: '' }],
    ['=a', { '': 'a' }],
    ['a=1&b=2', { a: '1', b: '2' }],
    ['a=1&b=2&a=3&a=', { a: '1,3,', b: '2' }],
    ['a=b=c', { a: 'b=c' }],
    ['a=%2F%3F%26%3D%25', { a: '/?&=%' }],
    ['a=b+c%2Bd%20e', { a: 'b c+d e' }],
    ['k%65y=%E6%97%A5', { key: '日' }],
    ['a=%2541', { a: '%41' }],
    ['a=100%&b=%zz', { a: '100%', b: '%zz' }],
    ['constructor=a&constructor=b', { constructor: 'a,b' } as unknown as Record<string, string>],
  ])('of %j are %j', (rawQuery, parameters) => {
    expect(readQuery(rawQuery)).toEqual(parameters);
  });

  test('are decoded as form encoding encoded them', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter }), fc.string({ unit: anyCharacter }), (name, value) => {
        const expected = [[name, value]];
        expect(Object.entries(readQuery(String(new URLSearchParams([[name, value]]))) ?? {})).toEqual(
          expected,
        );
        const encoded = `${encodeURIComponent(name)}=${encodeURIComponent(value)}`;
        expect(Object.entries(readQuery(encoded) ?? {})).toEqual(expected);
      }),
    );
  });
});
