import { describe, expect, test } from 'vitest';
import {
  API,
  byQuery,
  type Client,
  dataOf,
  describedRequest,
  describeOnBackends,
  detailsOf,
  expectInvalid,
  expectNoContent,
} from './client.ts';
import type { RawRequest } from './gateway-raw.ts';

const JSON_TYPE = ['Content-Type', 'application/json'];

const batchRequest = (kind: string, body: string): RawRequest => ({
  method: 'POST',
  target: `${API}/batch/${kind}`,
  headers: JSON_TYPE,
  body,
});

/** A request to every endpoint that requires a tenant. */
const requests: [string, RawRequest][] = [
  ['get', { target: `${API}/k` }],
  ['get by query', { target: byQuery('k') }],
  ['set', { method: 'POST', target: API, headers: JSON_TYPE, body: '{"key":"k","value":1}' }],
  ['delete', { method: 'DELETE', target: `${API}/k` }],
  ['delete by query', { method: 'DELETE', target: byQuery('k') }],
  ['touch', { method: 'POST', target: `${API}/touch`, headers: JSON_TYPE, body: '{"key":"k","ttl":1}' }],
  ['invalidate', { method: 'POST', target: `${API}/invalidate`, headers: JSON_TYPE, body: '{}' }],
  ['batch of gets', batchRequest('get', '{"keys":["k"]}')],
  ['batch of sets', batchRequest('set', '{"items":[{"key":"k","value":1}]}')],
  ['batch of deletes', batchRequest('delete', '{"keys":["k"]}')],
  ['usage', { target: `${API}/tenant/t` }],
  ['list of keys', { target: `${API}/tenant/t/keys` }],
  ['clear', { method: 'DELETE', target: `${API}/tenant/t` }],
];

/** Sends a request with an X-Tenant-ID header for each of the tenants. */
const sendAs = ({ port }: Client, { headers = [], ...request }: RawRequest, ...tenants: string[]) =>
  describedRequest(port, {
    ...request,
    headers: [...headers, ...tenants.flatMap((tenant) => ['X-Tenant-ID', tenant])],
  });

describeOnBackends('a tenant', {}, (connect) => {
  describe.each(requests)('of a %s', (_, request) => {
    test('is required', async () => {
      detailsOf(await sendAs(connect(), request), 401, 'MISSING_TENANT_ID');
      detailsOf(await sendAs(connect(), request, ''), 401, 'MISSING_TENANT_ID');
    });

    test('is rejected if it is in two headers', async () => {
      const client = connect();
      expectInvalid(await sendAs(client, request, client.tenant, client.tenant), 'X-Tenant-ID');
      expectInvalid(await sendAs(client, request, client.tenant, 'other'), 'X-Tenant-ID');
    });

    test('is rejected if it is malformed', async () => {
      expectInvalid(await sendAs(connect(), request, '*'), 'X-Tenant-ID');
    });
  });

  test.each([
    'a b',
    'a*',
    'a?',
    'a[b]',
    '{a}',
    'a:b',
    'a/b',
    'a\\b',
    'a,b',
    'a%20b',
    'a@b',
    'a"b',
    '.a',
    '-a',
    '_a',
    'caf\xe9',
    Buffer.from('é').toString('latin1'),
    'x'.repeat(129),
  ])('is rejected with the name %j', async (tenant) => {
    expectInvalid(await connect(tenant).get('k'), 'X-Tenant-ID');
  });

  test.each(['a', 'Z', '0', 'a.b_c-D9', 'a-', 'a..', 'x'.repeat(128)])(
    'is accepted with the name %s',
    async (tenant) => {
      const key = crypto.randomUUID();
      expect(dataOf(await connect(tenant).get(key), 200)).toEqual({ key, found: false });
    },
  );

  test('with a name of the maximum length can set, get and clear entries', async () => {
    const { tenant } = connect();
    const client = connect(tenant.padEnd(128, 'x'));
    dataOf(await client.set('k', '1'), 201);
    expect(await client.holds('k')).toBe(true);
    expectNoContent(await client.clear());
    expect(await client.holds('k')).toBe(false);
  });

  test('does not see the entries of tenants with similar names', async () => {
    const client = connect();
    const { tenant } = client;
    const similar = [`${tenant}.`, `${tenant}0`, tenant.slice(0, -1), tenant.toUpperCase(), `${tenant}-0`];
    dataOf(await client.set('k', '"mine"'), 201);
    for (const other of similar) {
      expect(dataOf(await connect(other).get('k'), 200)).toEqual({ key: 'k', found: false });
    }
  });

  test('does not remove entries of another tenant by a delete, an invalidation or a clear', async () => {
    const [mine, theirs] = [connect(), connect()];
    for (const client of [mine, theirs]) dataOf(await client.set('k', `"${client.tenant}"`), 201);
    expectNoContent(await mine.delete('k'));
    expect(await theirs.holds('k')).toBe(true);
    for (const pattern of ['*', '**', 'k', 'k*', '*k', '?', '[a-z]', `*${theirs.tenant}*`]) {
      dataOf(await mine.invalidate({ pattern }), 200);
    }
    dataOf(await mine.invalidate({}), 200);
    expectNoContent(await mine.clear());
    expect(dataOf(await theirs.get('k'), 200)).toMatchObject({ value: theirs.tenant, found: true });
  });

  test("keeps its value if another tenant sets the same key, or a key in the format of the store's keys", async () => {
    const [mine, theirs] = [connect(), connect()];
    dataOf(await mine.set('k', '"mine"'), 201);
    for (const key of [
      'k',
      `${mine.tenant}:k`,
      `{cache:${mine.tenant}:0}:e:k`,
      `{cache:${mine.tenant}:0}:gen`,
    ]) {
      dataOf(await theirs.set(key, '"theirs"'), 201);
    }
    expect(dataOf(await mine.get('k'), 200)).toMatchObject({ value: 'mine' });
  });

  describe('in a path or a body', () => {
    test.each([
      ['the path of a clear', (client: Client, named: string) => client.clear(named)],
      [
        'the body of an invalidation',
        (client: Client, named: string) => client.invalidate({ tenant_id: named }),
      ],
    ])("is rejected with 403 if it is not the caller's: %s", async (_, send) => {
      const [mine, theirs] = [connect(), connect()];
      for (const client of [mine, theirs]) dataOf(await client.set('k', '1'), 201);
      for (const named of [theirs.tenant, mine.tenant.toUpperCase(), `${mine.tenant}0`, '*']) {
        detailsOf(await send(mine, named), 403, 'TENANT_MISMATCH');
      }
      expect([await mine.holds('k'), await theirs.holds('k')]).toEqual([true, true]);
      expect((await send(mine, mine.tenant)).status).toBeLessThan(300);
      expect([await mine.holds('k'), await theirs.holds('k')]).toEqual([false, true]);
    });

    test('of another caller is rejected with 403, and the pattern removes nothing', async () => {
      const client = connect();
      dataOf(await client.set('k', '1'), 201);
      const answer = await client.invalidate({ pattern: 'k', tenant_id: 'other' });
      detailsOf(answer, 403, 'TENANT_MISMATCH');
      detailsOf(await client.invalidate({ tenant_id: '' }), 403, 'TENANT_MISMATCH');
      expect(await client.holds('k')).toBe(true);
    });

    test('is rejected with 400 if it is not a string', async () => {
      const client = connect();
      for (const tenant_id of [1, true, [client.tenant], { name: client.tenant }]) {
        expectInvalid(await client.invalidate({ tenant_id }), 'tenant_id');
      }
    });
  });
});
