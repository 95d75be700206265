import { expect, test, vi } from 'vitest';
import { leftOf, newTenant } from '../conformance/backends.ts';
import { API, dataOf, describeOnBackends, detailsOf, expectNoContent, valueText } from './client.ts';
import {
  fill,
  grantedToken,
  lease,
  sendLease,
  sendRelease,
  setStale,
  TOKEN,
  UNKNOWN_TOKEN,
  untilStale,
} from './lease.ts';

const granted = { token: expect.stringMatching(TOKEN), ttl: 300 };

describeOnBackends('a lease request', {}, (connect) => {
  test('for a fresh value returns it without a lease', async () => {
    const client = connect();
    await client.set('k', '"made"', 100);
    expect(await lease(client)).toEqual({
      key: 'k',
      value: 'made',
      found: true,
      ttl: leftOf(100),
      stale: false,
    });
  });

  test('for a missing key gets a lease', async () => {
    expect(await lease(connect())).toEqual({ key: 'k', found: false, lease: granted });
  });

  test('for a missing key whose lease is held gets only the time after which it shall ask again', async () => {
    const client = connect();
    await grantedToken(client);
    const held = await lease(client);
    expect(held).toEqual({ key: 'k', found: false, retry_after_ms: expect.any(Number) });
    expect(Number.isInteger(held.retry_after_ms)).toBe(true);
    expect(held.retry_after_ms).toBeGreaterThan(0);
    expect(held.retry_after_ms).toBeLessThanOrEqual(5000);
  });

  test('for a stale value gets it and the lease, and while that is held only the value', async () => {
    const client = connect();
    await setStale(client, 'k', '"old"');
    const stale = { key: 'k', value: 'old', found: true, ttl: 0, stale: true };
    expect(await lease(client)).toEqual({ ...stale, lease: granted });
    expect(await lease(client)).toEqual(stale);
  });

  test('gets a lease of 30 seconds if it states no time, or null', async () => {
    const client = connect();
    for (const body of ['{"key":"a"}', '{"key":"b","lease":null}']) {
      expect(dataOf(await sendLease(client, body), 200)).toMatchObject({ lease: { ttl: 30 } });
    }
  });

  test.each([1, 300])('is accepted with a lease of %i seconds', async (seconds) => {
    expect(await lease(connect(), 'k', seconds)).toMatchObject({ lease: { ttl: seconds } });
  });

  test('ignores unknown members', async () => {
    const client = connect();
    expect(dataOf(await sendLease(client, { key: 'k', tags: ['doc:1'], user: 1 }), 200).lease).toBeDefined();
  });

  test('for a key that a path cannot carry returns this key', async () => {
    const key = 'docs/"readme"?page=1';
    expect(await lease(connect(), key)).toEqual({ key, found: false, lease: granted });
  });

  test('for a key on which another tenant has a lease gets a lease', async () => {
    await grantedToken(connect());
    await grantedToken(connect());
  });

  test('after the lease has run out gets the next one, and the first fill is rejected', async () => {
    const client = connect();
    const first = await grantedToken(client, 'k', 1);
    const second = await vi.waitFor(() => grantedToken(client), { timeout: 60_000, interval: 50 });
    detailsOf(await fill(client, 'k', '1', first), 409, 'LEASE_LOST');
    dataOf(await fill(client, 'k', '2', second), 201);
  });

  test.each(['1.0', '12345678901234567890', String.raw`{"a":1,"a":"\u0041","l":"\/"}`])(
    'returns %s as it was filled, fresh and stale',
    async (text) => {
      const client = connect();
      const body = (key: string, token: string) =>
        `{"key":"${key}","value":${text},"ttl":1,"grace":1000,"lease":"${token}"}`;
      dataOf(await client.post(body('k', await grantedToken(client))), 201);
      await untilStale(client, 'k');
      const stale = await sendLease(client, { key: 'k' });
      expect(valueText(stale, text.length)).toBe(text);
      const { token } = dataOf(stale, 200).lease as { token: string };
      dataOf(await fill(client, 'k', text, token), 201);
      expect(valueText(await sendLease(client, { key: 'k' }), text.length)).toBe(text);
    },
  );
});

describeOnBackends('a set with a lease', {}, (connect) => {
  test('is answered like a set, and ends the lease', async () => {
    const client = connect();
    const answer = await fill(client, 'k', '"made"', await grantedToken(client));
    expect(dataOf(answer, 201)).toEqual({ key: 'k', status: 'set', ttl: 300 });
    expect(dataOf(await client.get('k'), 200).value).toBe('made');
    expect(await lease(client)).toMatchObject({ value: 'made', stale: false });
  });

  test('that is sent again is answered with 201 and changes nothing', async () => {
    const client = connect();
    const token = await grantedToken(client);
    dataOf(await fill(client, 'k', '"first"', token), 201);
    dataOf(await fill(client, 'k', '"second"', token), 201);
    expect(dataOf(await client.get('k'), 200).value).toBe('first');
  });

  test('of null is a plain set', async () => {
    const client = connect();
    dataOf(await client.post('{"key":"k","value":1,"lease":null,"grace":null}'), 201);
    expect(await client.holds('k')).toBe(true);
  });

  test.each([
    ['a delete', 'DELETE', `${API}/k`, undefined],
    ['a batch delete', 'POST', `${API}/batch/delete`, '{"keys":["k"]}'],
    ['an invalidation that matches', 'POST', `${API}/invalidate`, '{"pattern":"k*"}'],
    ['an invalidation of everything', 'POST', `${API}/invalidate`, '{}'],
    ['a release', 'POST', `${API}/lease/release`, (token: string) => `{"key":"k","lease":"${token}"}`],
  ])('is answered with 409 after %s, and writes nothing', async (_, method, target, body) => {
    const client = connect();
    const token = await grantedToken(client);
    const sent = typeof body === 'function' ? body(token) : body;
    const { status } = await client.send({ method, target, ...(sent && { body: sent }) });
    expect([200, 204]).toContain(status);
    expect(detailsOf(await fill(client, 'k', '"stale"', token), 409, 'LEASE_LOST')).toEqual({});
    expect(await client.holds('k')).toBe(false);
    expect(await lease(client)).toEqual({ key: 'k', found: false, lease: granted });
  });

  test('is answered with 409 after a clear of the tenant, and writes nothing', async () => {
    const client = connect();
    const token = await grantedToken(client);
    await client.clear();
    detailsOf(await fill(client, 'k', '1', token), 409, 'LEASE_LOST');
    expect(await client.holds('k')).toBe(false);
  });

  test('is answered with 409 after a plain set, whose value stays', async () => {
    const client = connect();
    const token = await grantedToken(client);
    await client.set('k', '"other"');
    detailsOf(await fill(client, 'k', '"mine"', token), 409, 'LEASE_LOST');
    expect(dataOf(await client.get('k'), 200).value).toBe('other');
  });

  test('is answered with 201 after a touch, and after invalidations that do not match', async () => {
    const client = connect();
    const token = await grantedToken(client);
    const touched = await client.send({
      method: 'POST',
      target: `${API}/touch`,
      body: '{"key":"k","ttl":60}',
    });
    expect(dataOf(touched, 200)).toEqual({ key: 'k', found: false });
    expect(dataOf(await client.invalidate({ pattern: 'x*' }), 200).count).toBe(0);
    expectNoContent(await connect().clear());
    dataOf(await fill(client, 'k', '1', token), 201);
  });

  test('is answered with 409 for another key, for another tenant, and with an unknown token', async () => {
    const client = connect();
    const other = connect();
    const token = await grantedToken(client);
    detailsOf(await fill(client, 'kk', '1', token), 409, 'LEASE_LOST');
    detailsOf(await fill(other, 'k', '1', token), 409, 'LEASE_LOST');
    detailsOf(await fill(client, 'k', '1', UNKNOWN_TOKEN), 409, 'LEASE_LOST');
    expect(await client.held(['k', 'kk'])).toEqual([]);
    expect(await other.holds('k')).toBe(false);
    dataOf(await fill(client, 'k', '1', token), 201);
  });

  test('replaces a stale value', async () => {
    const client = connect();
    await setStale(client, 'k', '"old"');
    dataOf(await fill(client, 'k', '"new"', await grantedToken(client)), 201);
    expect(dataOf(await client.get('k'), 200).value).toBe('new');
  });
});

describeOnBackends('a release', {}, (connect) => {
  test('is answered with 204, and the next request gets the lease', async () => {
    const client = connect();
    expectNoContent(await sendRelease(client, { key: 'k', lease: await grantedToken(client) }));
    await grantedToken(client);
  });

  test('leaves a stale value', async () => {
    const client = connect();
    await setStale(client, 'k', '"old"');
    expectNoContent(await sendRelease(client, { key: 'k', lease: await grantedToken(client) }));
    expect(await lease(client)).toMatchObject({ value: 'old', stale: true, lease: granted });
  });

  test('is answered with 204 for a lease that has ended by a fill, and leaves the value', async () => {
    const client = connect();
    const token = await grantedToken(client);
    await fill(client, 'k', '"made"', token);
    expectNoContent(await sendRelease(client, { key: 'k', lease: token }));
    expectNoContent(await sendRelease(client, { key: 'k', lease: token }));
    expect(dataOf(await client.get('k'), 200).value).toBe('made');
  });

  test('is answered with 204 for an unknown token, and for that of another tenant, whose lease stays', async () => {
    const client = connect();
    const token = await grantedToken(client);
    expectNoContent(await sendRelease(client, { key: 'k', lease: UNKNOWN_TOKEN }));
    expectNoContent(await sendRelease(client, { key: 'other', lease: token }));
    expectNoContent(await sendRelease(connect(newTenant()), { key: 'k', lease: token }));
    dataOf(await fill(client, 'k', '1', token), 201);
  });
});

describeOnBackends('a placeholder and a stale value', {}, (connect) => {
  test('are misses for every other read, and the stale value counts as an entry', async () => {
    const client = connect();
    await setStale(client, 'stale', '1');
    await grantedToken(client, 'missing');
    const post = async (path: string, body: string) =>
      dataOf(await client.send({ method: 'POST', target: `${API}/${path}`, body }), 200);
    const misses = [
      { key: 'stale', found: false },
      { key: 'missing', found: false },
    ];
    for (const miss of misses) {
      expect(dataOf(await client.get(miss.key), 200)).toEqual(miss);
      expect(await post('touch', `{"key":"${miss.key}","ttl":60}`)).toEqual(miss);
    }
    expect(await post('batch/get', '{"keys":["stale","missing"]}')).toEqual({ items: misses });
    const usage = await client.send({ target: `${API}/tenant/${client.tenant}` });
    expect(dataOf(usage, 200)).toMatchObject({ entries: 1 });
    expect(dataOf(await client.invalidate(), 200).count).toBe(1);
  });
});

describeOnBackends('a grace', { MAX_TTL_SECONDS: '1000', DEFAULT_TTL_SECONDS: '100' }, (connect) => {
  test.each(['0', '900', '900.0', 'null'])('of %s beside the default TTL is accepted', async (grace) => {
    const client = connect();
    const answer = await client.post(`{"key":"k","value":1,"grace":${grace}}`);
    expect(dataOf(answer, 201)).toEqual({ key: 'k', status: 'set', ttl: 100 });
    expect(dataOf(await client.get('k'), 200).ttl).toEqual(leftOf(100));
  });

  test('of 0 leaves nothing after the TTL', async () => {
    const client = connect();
    await client.post('{"key":"k","value":1,"ttl":1,"grace":0}');
    await expect.poll(() => client.holds('k')).toBe(false);
    expect(await lease(client)).toMatchObject({ found: false });
  });

  test('ends together with the lease on the stale value', async () => {
    const client = connect();
    await setStale(client, 'k', '1', 20);
    const { ttl } = (await lease(client)).lease as { ttl: number };
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(20);
  });
});
