import { describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { parseNatsUrl } from '../../lib/config/nats-url.ts';

const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:nats-AbCdEf';
const at = (host: string, port = 4222) => ({ host, port });

describe('NATS_URL', () => {
  test.each([
    ['nats://broker', { servers: [at('broker')], tls: false, login: undefined }],
    ['nats://broker:4333/', { servers: [at('broker', 4333)], tls: false, login: undefined }],
    ['tls://10.0.0.1', { servers: [at('10.0.0.1')], tls: true, login: undefined }],
    ['nats://[::1]:4333', { servers: [at('::1', 4333)], tls: false, login: undefined }],
    ['nats://u:p@broker', { servers: [at('broker')], tls: false, login: { user: 'u', password: 'p' } }],
    ['nats://u:@broker', { servers: [at('broker')], tls: false, login: { user: 'u', password: '' } }],
    ['nats://a%40b:c%2Cd%3A@x', { servers: [at('x')], tls: false, login: { user: 'a@b', password: 'c,d:' } }],
    ['nats://t0ken@broker', { servers: [at('broker')], tls: false, login: { token: 't0ken' } }],
    ['nats://a,b:4333', { servers: [at('a'), at('b', 4333)], tls: false, login: undefined }],
    [
      'tls://u:p@a:1, tls://b:2',
      { servers: [at('a', 1), at('b', 2)], tls: true, login: { user: 'u', password: 'p' } },
    ],
  ])('accepts %s', (url, expected) => {
    expect(parseNatsUrl(url)).toEqual(expected);
  });

  test.each([
    ['broker:4222', /must look like/],
    ['http://broker', /must look like/],
    ['ws://broker', /must look like/],
    ['nats://', /must look like/],
    ['nats://broker:0', /must look like/],
    ['nats://broker:65536', /must look like/],
    ['nats://broker:port', /must look like/],
    ['nats://broker/path', /must look like/],
    ['nats://a,', /must look like/],
    ['nats://u:hunter2@x@y', /must look like/],
    ['nats://a,tls://b', /all with/],
    ['nats://a,u:hunter2@b', /first address only/],
    ['nats://u:hunter2%@a', /percent-encoded/],
  ])('rejects %s with a message that contains no part of it', (url, problem) => {
    expect(() => readConfig({ NATS_URL: url })).toThrow(/^NATS_URL /);
    expect(() => readConfig({ NATS_URL: url })).toThrow(problem);
    expect(() => readConfig({ NATS_URL: url })).not.toThrow(/hunter2/);
  });
});

describe('the settings of events', () => {
  test('disable events unless ENABLE_NATS is true', () => {
    expect(readConfig({ NATS_URL: 'nats://broker' }).nats).toBeUndefined();
    expect(readConfig({ NATS_URL: 'nats://broker', ENABLE_NATS: 'false' }).nats).toBeUndefined();
  });

  test('are rejected without NATS_URL and NATS_SECRET_ARN if ENABLE_NATS is true', () => {
    expect(() => readConfig({ ENABLE_NATS: 'true' })).toThrow(/^ENABLE_NATS [^\n]*NATS_URL[^\n]*$/);
    expect(readConfig({ ENABLE_NATS: 'true', NATS_URL: 'nats://broker' }).nats?.address?.servers).toEqual([
      at('broker'),
    ]);
    expect(readConfig({ ENABLE_NATS: 'true', NATS_SECRET_ARN: ARN }).nats).toEqual({
      address: undefined,
      creds: undefined,
      secretArn: ARN,
    });
  });

  test('are rejected with a NATS_SECRET_ARN that is not the ARN of a secret', () => {
    expect(() => readConfig({ NATS_SECRET_ARN: 'hunter2' })).toThrow(/^NATS_SECRET_ARN must be the ARN/);
    expect(() => readConfig({ NATS_SECRET_ARN: 'hunter2' })).not.toThrow(/hunter2/);
  });
});
