import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Authorize, CacheClient, type Outgoing, sigV4 } from '../../lib/client/index.ts';
import { reference } from '../logins/reference.ts';
import { anyCharacter } from '../support/characters.ts';
import { numRuns } from '../support/long-run.ts';
import { type Asked, hit, miss, type Scripted, script, wasSet } from './scripted.ts';

/** Those of AWS's own examples; nothing is behind them. */
const SUITE = {
  credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' },
  region: 'us-east-1',
  now: () => Date.UTC(2015, 7, 30, 12, 36),
};

const request = (method: string, url: string, headers: Record<string, string> = {}): Outgoing => ({
  method,
  url,
  headers,
  body: '',
});

describe('a signature is the one that AWS publishes', () => {
  const suite = sigV4({ ...SUITE, service: 'service' });
  const iam = sigV4({ ...SUITE, service: 'iam' });

  test.each<[string, Authorize, Outgoing, string]>([
    [
      'get-vanilla of the Signature Version 4 test suite',
      suite,
      request('GET', 'https://example.amazonaws.com/'),
      'SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31',
    ],
    [
      'get-vanilla-query-order-key-case of that suite',
      suite,
      request('GET', 'https://example.amazonaws.com/?Param2=value2&Param1=value1'),
      'SignedHeaders=host;x-amz-date, Signature=b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500',
    ],
    [
      'post-vanilla of that suite',
      suite,
      request('POST', 'https://example.amazonaws.com/'),
      'SignedHeaders=host;x-amz-date, Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b',
    ],
    [
      'ListUsers of the IAM User Guide',
      iam,
      request('GET', 'https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08', {
        'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
      }),
      'SignedHeaders=content-type;host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7',
    ],
  ])('for %s', async (_, authorize, outgoing, expected) => {
    const headers = await authorize(outgoing);
    expect(headers['x-amz-date']).toBe('20150830T123600Z');
    expect(headers.authorization).toContain(`AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/`);
    expect(headers.authorization?.endsWith(expected)).toBe(true);
  });
});

/** What AWS's own implementation signs of a request as it arrived: the headers that it says are signed, and all the rest. */
async function expected({ method, target, headers, body }: Asked, keys: Keys, service: string, now: number) {
  const names = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? '')?.[1]?.split(';') ?? [];
  const [path = '', query = ''] = target.split('?');
  const signed = await reference(service, 'eu-central-1', { ...keys, sessionToken: keys.sessionToken }).sign(
    {
      method,
      protocol: 'http:',
      hostname: 'example',
      path,
      query: Object.fromEntries(new URLSearchParams(query)),
      headers: Object.fromEntries(names.map((name) => [name, String(headers[name])])),
      body,
    },
    { signingDate: new Date(now) },
  );
  return signed.headers.authorization;
}

interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken: string | undefined;
}

describe('a signature is the one that AWS computes for the received request', () => {
  const keys: fc.Arbitrary<Keys> = fc.record({
    accessKeyId: fc.stringMatching(/^[A-Z0-9]{16,20}$/),
    secretAccessKey: fc.stringMatching(/^[A-Za-z0-9/+]{40}$/),
    sessionToken: fc.option(fc.stringMatching(/^[A-Za-z0-9/+=]{20,60}$/), { nil: undefined }),
  });
  const date = fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
  const odd = fc.string({
    unit: fc.constantFrom(...` !"#$%&'()*+,-./:;<=>?@[]^_\`{|}~aZ0é漢🔑\u2028`),
    minLength: 1,
    maxLength: 20,
  });
  const key = fc.oneof(odd, fc.string({ unit: anyCharacter, minLength: 1, maxLength: 20 }));
  const path = fc.constantFrom('', '/prod', '/a b', '/a%20b/%C3%A9', "/a'(b)*!", '/a//b', '/~x-._');
  const userId = fc.option(fc.stringMatching(/^[!-~]([ -~]{0,20}[!-~])?$/), { nil: undefined });
  const service = fc.constantFrom('execute-api', 'lambda');

  test('for keys, values, paths and credentials of any form', async () => {
    const server: Scripted = await script(({ method }) =>
      method === 'GET' ? miss : method === 'POST' ? wasSet : { status: 204 },
    );
    const property = fc.asyncProperty(
      keys, date, key, path, userId, service, fc.jsonValue(),
      async (credentials, at, name, prefix, user, signedFor, value) => {
        const now = Math.floor(at.getTime() / 1000) * 1000;
        const options = { region: 'eu-central-1', credentials, service: signedFor, now: () => now };
        const cache = new CacheClient({
          url: server.url + prefix,
          tenant: 'tenant_123',
          userId: user,
          authorize: sigV4(options),
          headers: () => ({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
        });
        server.asked.length = 0;
        await cache.get(name);
        await cache.set(name, value);
        await cache.delete(name);
        await cache.clear();
        expect(server.asked).toHaveLength(4);
        for (const asked of server.asked) {
          expect(asked.headers.authorization).toBe(await expected(asked, credentials, signedFor, now));
        }
      },
    ); // biome-ignore format: the arbitraries as they are taken
    await fc.assert(property, { numRuns: numRuns(100) });
  });
});

describe('a signature', () => {
  const signedHeaders = ({ headers }: Asked) =>
    /SignedHeaders=([^,]*)/.exec(headers.authorization ?? '')?.[1];

  test('covers tenant, user and body, and no header that proxies rewrite', async () => {
    const server = await script(wasSet, hit(1));
    const credentials = async () => ({ ...SUITE.credentials, sessionToken: 'session' });
    const cache = new CacheClient({
      url: server.url,
      tenant: 't',
      userId: 'user_7',
      authorize: sigV4({ region: 'eu-central-1', credentials }),
      headers: () => ({ traceparent: '00-1-2-01', 'x-amz-meta': 'a', 'x-any': 'b' }),
    });
    await cache.set('k', 1);
    await cache.get('k');
    const always = 'host;x-amz-date;x-amz-meta;x-amz-security-token;x-tenant-id;x-user-id';
    expect(server.asked.map(signedHeaders)).toEqual([`content-type;${always}`, always]);
    expect(server.asked[0]?.headers).toMatchObject({
      'x-amz-security-token': 'session',
      authorization: expect.stringContaining('/eu-central-1/execute-api/aws4_request'),
    });
  });

  test('uses the current credentials, and fails if they are missing', async () => {
    const server = await script(miss);
    let asked = 0;
    const credentials = () => ({ accessKeyId: `KEY${++asked}`, secretAccessKey: 'secret' });
    const options = { url: server.url, tenant: 't' };
    const cache = new CacheClient({ ...options, authorize: sigV4({ region: 'eu-central-1', credentials }) });
    await cache.get('k');
    await cache.get('k');
    expect(server.asked.map(({ headers }) => headers.authorization?.slice(0, 32))).toEqual([
      'AWS4-HMAC-SHA256 Credential=KEY1',
      'AWS4-HMAC-SHA256 Credential=KEY2',
    ]);
    const gone = new Error('no credentials');
    const none = sigV4({ region: 'eu-central-1', credentials: () => Promise.reject(gone) });
    await expect(new CacheClient({ ...options, authorize: none }).get('k')).rejects.toBe(gone);
  });
});
