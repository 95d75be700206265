import { expect, test } from 'vitest';
import { API, dataOf, describeOnBackends, expectNoContent } from './client.ts';

describeOnBackends('an entry', {}, (connect) => {
  test('is a miss before a set, a hit after the set, and a miss after a delete', async () => {
    const client = connect();
    expect(dataOf(await client.get('k'), 200)).toEqual({ key: 'k', found: false });
    expect(dataOf(await client.set('k', '{"a":[1,null]}', 60), 201)).toEqual({
      key: 'k',
      status: 'set',
      ttl: 60,
    });
    expect(dataOf(await client.get('k'), 200)).toEqual({
      key: 'k',
      value: { a: [1, null] },
      found: true,
      ttl: expect.any(Number),
    });
    expectNoContent(await client.delete('k'));
    expect(dataOf(await client.get('k'), 200)).toEqual({ key: 'k', found: false });
  });

  test('is deleted with 204 even if it does not exist', async () => {
    const client = connect();
    expectNoContent(await client.delete('k'));
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}/k` }));
  });

  test('is the same for a key in the path and a key in the query', async () => {
    const client = connect();
    dataOf(await client.set('k', '1'), 201);
    expect(dataOf(await client.send({ target: `${API}/k` }), 200)).toMatchObject({ found: true, value: 1 });
    expect(dataOf(await client.send({ target: `${API}?key=k` }), 200)).toMatchObject({
      found: true,
      value: 1,
    });
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}/k` }));
    expect(await client.holds('k')).toBe(false);
    dataOf(await client.set('k', '2'), 201);
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}?key=k` }));
    expect(dataOf(await client.send({ target: `${API}/k` }), 200)).toEqual({ key: 'k', found: false });
  });

  test('has the value and the TTL of the last set', async () => {
    const client = connect();
    dataOf(await client.set('k', '"first"', 1000), 201);
    dataOf(await client.set('k', '"second"', 10), 201);
    const { value, ttl } = dataOf(await client.get('k'), 200);
    expect(value).toBe('second');
    expect(ttl).toBeLessThanOrEqual(10);
    dataOf(await client.set('k', '"third"', 1000), 201);
    expect(dataOf(await client.get('k'), 200).ttl).toBeGreaterThan(10);
  });

  test('is a hit if it is set again after a delete', async () => {
    const client = connect();
    dataOf(await client.set('k', '1'), 201);
    expectNoContent(await client.delete('k'));
    dataOf(await client.set('k', '2'), 201);
    expect(dataOf(await client.get('k'), 200)).toMatchObject({ value: 2 });
  });
});
