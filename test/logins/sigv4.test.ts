import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Credentials, presign, signPost } from '../../lib/aws/sigv4.ts';
import { anyCharacter } from '../support/characters.ts';
import { reference } from './reference.ts';
import { CREDENTIALS } from './secrets-manager.ts';

const text = fc.string({ unit: anyCharacter, minLength: 1, maxLength: 20 });
const credentials: fc.Arbitrary<Credentials> = fc.record({
  accessKeyId: fc.stringMatching(/^[A-Z0-9]{16,20}$/),
  secretAccessKey: fc.stringMatching(/^[A-Za-z0-9/+]{40}$/),
  sessionToken: fc.option(fc.stringMatching(/^[A-Za-z0-9/+=]{20,60}$/), { nil: undefined }),
});
const now = fc.date({ min: new Date('2020-01-01'), max: new Date('2100-01-01'), noInvalidDate: true });
const REGION = 'eu-central-1';

describe('a signature', () => {
  test("equals that of AWS's own implementation for a presigned URL", async () => {
    const property = fc.asyncProperty(credentials, now, text, async (keys, date, user) => {
      const query = { Action: 'connect', User: user, ResourceType: 'ServerlessCache' };
      const scope = { service: 'elasticache', region: REGION, nowEpochMs: date.getTime() };
      const ours = new URL(`http://${presign('my-cache', query, 900, keys, scope)}`);
      const theirs = await reference('elasticache', REGION, keys).presign(
        {
          method: 'GET',
          protocol: 'http:',
          hostname: 'my-cache',
          path: '/',
          headers: { host: 'my-cache' },
          query,
        },
        { signingDate: date, expiresIn: 900 },
      );
      expect(Object.fromEntries(ours.searchParams)).toEqual(theirs.query);
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test("equals that of AWS's own implementation for a POST request", async () => {
    const property = fc.asyncProperty(credentials, now, text, async (keys, date, body) => {
      const headers = {
        host: 'secretsmanager.eu-central-1.amazonaws.com',
        'content-type': 'application/x-amz-json-1.1',
      };
      const ours = signPost(headers, body, keys, {
        service: 'secretsmanager',
        region: REGION,
        nowEpochMs: date.getTime(),
      });
      const theirs = await reference('secretsmanager', REGION, keys).sign(
        { method: 'POST', protocol: 'https:', hostname: headers.host, path: '/', headers, body, query: {} },
        { signingDate: date },
      );
      expect(ours.authorization).toBe(theirs.headers.authorization);
    });
    await fc.assert(property, { numRuns: 300 });
  });

  test('for ElastiCache is in a token without a scheme and with the name of the cache in lower case', () => {
    const scope = { service: 'elasticache', region: REGION, nowEpochMs: Date.UTC(2026, 2, 12) };
    const token = presign('my-cache', { Action: 'connect' }, 900, CREDENTIALS, scope);
    expect(token).toMatch(
      /^my-cache\/\?Action=connect&X-Amz-Algorithm=AWS4-HMAC-SHA256&.*&X-Amz-Signature=[0-9a-f]{64}$/,
    );
    expect(token).toContain('X-Amz-Expires=900&X-Amz-Security-Token=');
  });
});
