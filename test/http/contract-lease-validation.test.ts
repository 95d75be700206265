import { expect, test } from 'vitest';
import { batch } from './batch.ts';
import { dataOf, describeOnBackends, expectInvalid } from './client.ts';
import { fill, grantedToken, sendLease, sendRelease, UNKNOWN_TOKEN } from './lease.ts';

/** Texts of a lease's time that is invalid. */
const TIMES = ['0', '-1', '301', '1.5', '"30"', '1e400', 'true', '[]', '{}', `"${UNKNOWN_TOKEN}"`];

/** Texts of a token that is invalid. */
const TOKENS = [
  '""',
  '"A"',
  '"AAAAAAAAAA"',
  '"AAAAAAAAAAAA"',
  '"AAAAAAAAAA+"',
  '"AAAAAAAAAA="',
  '"AAAAA AAAAA"',
  String.raw`"AAAAAAAAAAA\n"`,
  '"ÄAAAAAAAAAA"',
  '30',
  'true',
  '{"token":"AAAAAAAAAAA"}',
  '["AAAAAAAAAAA"]',
];

describeOnBackends('a lease request that is not valid', {}, (connect) => {
  test.each([
    ...TIMES.map((time): [string, ...string[]] => [`{"key":"k","lease":${time}}`, 'lease']),
    ['{}', 'key'],
    ['{"key":""}', 'key'],
    ['{"key":1,"lease":0}', 'key', 'lease'],
    ['{"key":"a\\u0007b"}', 'key'],
    ['{"key":"k","Lease":30}', 'Lease'],
    ['{"key":"k","leas":30}', 'leas'],
    ['{"key":"k","release":30}', 'release'],
    ['[]', 'body'],
    ['null', 'body'],
    ['{"key":"k"', 'body'],
  ])('is rejected, and grants no lease: %s', async (body, ...fields) => {
    const client = connect();
    expectInvalid(await sendLease(client, body), ...fields);
    await grantedToken(client);
  });

  test.each(TIMES)('is rejected in a batch of gets, and grants no lease: %s', async (time) => {
    const client = connect();
    expectInvalid(await batch(client, 'get', `{"keys":["k"],"lease":${time}}`), 'lease');
    await grantedToken(client);
  });

  test('is rejected in a batch of gets with a misspelled member or an invalid key', async () => {
    const client = connect();
    expectInvalid(await batch(client, 'get', '{"keys":["k"],"leese":30}'), 'leese');
    expectInvalid(await batch(client, 'get', '{"keys":["k",""],"lease":0}'), 'keys.1', 'lease');
    await grantedToken(client);
  });
});

describeOnBackends('a release that is not valid', {}, (connect) => {
  test.each([
    ...TOKENS.map((token): [string, string] => [`{"key":"k","lease":${token}}`, 'lease']),
    ['{"key":"k"}', 'lease'],
    ['{"key":"k","lease":null}', 'lease'],
    [`{"lease":"${UNKNOWN_TOKEN}"}`, 'key'],
    [`{"key":"","lease":"${UNKNOWN_TOKEN}"}`, 'key'],
    [`{"key":"k","lease":"${UNKNOWN_TOKEN}","LEASE":1}`, 'LEASE'],
  ])('is rejected, and the lease stays: %s', async (body, field) => {
    const client = connect();
    const token = await grantedToken(client);
    expectInvalid(await sendRelease(client, body), field);
    dataOf(await fill(client, 'k', '1', token), 201);
  });
});

describeOnBackends('a set with a lease that is not valid', {}, (connect) => {
  test.each(TOKENS)('is rejected, and the lease stays: %s', async (token) => {
    const client = connect();
    const valid = await grantedToken(client);
    expectInvalid(await client.post(`{"key":"k","value":1,"lease":${token}}`), 'lease');
    const items = `{"items":[{"key":"other","value":1},{"key":"k","value":1,"lease":${token}}]}`;
    expectInvalid(await batch(client, 'set', items), 'items.1.lease');
    expect(await client.held(['k', 'other'])).toEqual([]);
    dataOf(await fill(client, 'k', '1', valid), 201);
  });

  test('is rejected with a misspelled member, instead of a set without the lease', async () => {
    const client = connect();
    for (const name of ['LEASE', 'leases', 'laese', 'leese']) {
      expectInvalid(await client.post(`{"key":"k","value":1,"${name}":"${UNKNOWN_TOKEN}"}`), name);
      const items = `{"items":[{"key":"k","value":1,"${name}":"${UNKNOWN_TOKEN}"}]}`;
      expectInvalid(await batch(client, 'set', items), `items.0.${name}`);
    }
    expect(await client.holds('k')).toBe(false);
  });
});

describeOnBackends('a set with a grace that is not valid', { MAX_TTL_SECONDS: '1000' }, (connect) => {
  test.each([
    ['-1', undefined],
    ['1.5', undefined],
    ['1001', 1],
    ['1e400', undefined],
    ['"10"', undefined],
    ['true', undefined],
    ['[10]', undefined],
    // Together with the TTL above the maximum: the default TTL is 300.
    ['701', undefined],
    ['701', null],
    ['1000', 1],
    ['1', 1000],
    ['501', 500],
  ])('is rejected, and nothing is set: a grace of %s and a TTL of %s', async (grace, ttl) => {
    const client = connect();
    const item = `{"key":"k","value":1,"grace":${grace}${ttl === undefined ? '' : `,"ttl":${ttl}`}}`;
    expectInvalid(await client.post(item), 'grace');
    expectInvalid(
      await batch(client, 'set', `{"items":[{"key":"other","value":1},${item}]}`),
      'items.1.grace',
    );
    expect(await client.held(['k', 'other'])).toEqual([]);
  });

  test('is rejected with every field that is invalid', async () => {
    const body = '{"key":"","value":1,"ttl":0,"grace":-1,"lease":""}';
    expectInvalid(await connect().post(body), 'key', 'ttl', 'grace', 'lease');
  });

  test('is rejected with an issue for each item whose TTL and grace together are above the maximum', async () => {
    const item = '{"key":"k","value":1,"ttl":500,"grace":501}';
    const answer = await batch(connect(), 'set', `{"items":[${item},{"key":"k","value":1},${item}]}`);
    expectInvalid(answer, 'items.0.grace', 'items.2.grace');
  });

  test('is rejected with a misspelled member', async () => {
    for (const name of ['Grace', 'grce', 'garce']) {
      expectInvalid(await connect().post(`{"key":"k","value":1,"${name}":10}`), name);
    }
  });

  test('ends no lease on the key', async () => {
    const client = connect();
    const token = await grantedToken(client);
    expectInvalid(await client.post(`{"key":"k","value":1,"grace":701,"lease":"${token}"}`), 'grace');
    dataOf(await fill(client, 'k', '1', token), 201);
  });
});
