import { expect, test } from 'vitest';
import { leftOf } from '../conformance/backends.ts';
import { batch, itemsIn, keysBody, setBatch } from './batch.ts';
import { dataOf, describeOnBackends, expectNoContent } from './client.ts';

describeOnBackends('a batch', {}, (connect) => {
  test('of sets returns the results in the order of the items', async () => {
    const answer = await setBatch(connect(), [
      ['b', '1', 60],
      ['a', '[2]'],
      ['c', 'null', 2_592_000],
    ]);
    expect(dataOf(answer, 201)).toEqual({
      items: [
        { key: 'b', status: 'set', ttl: 60 },
        { key: 'a', status: 'set', ttl: 300 },
        { key: 'c', status: 'set', ttl: 2_592_000 },
      ],
    });
  });

  test('of gets returns the same results as single gets, in the order of the keys', async () => {
    const client = connect();
    await setBatch(client, [
      ['a', '{"x":1}', 60],
      ['b', 'null', 90],
    ]);
    const answer = await batch(client, 'get', keysBody(['b', 'absent', 'a', 'b']));
    expect(dataOf(answer, 200)).toEqual({
      items: [
        { key: 'b', value: null, found: true, ttl: 90 },
        { key: 'absent', found: false },
        { key: 'a', value: { x: 1 }, found: true, ttl: 60 },
        { key: 'b', value: null, found: true, ttl: 90 },
      ],
    });
    for (const key of ['a', 'b']) {
      const alone = dataOf(await client.get(key), 200);
      expect((itemsIn(answer) as { key: string }[]).find((item) => item.key === key)).toEqual(alone);
    }
  });

  test('of deletes returns the number of removed entries, and counts a repeated key once', async () => {
    const client = connect();
    await setBatch(client, [
      ['a', '1'],
      ['b', '1'],
      ['c', '1'],
    ]);
    expect(dataOf(await batch(client, 'delete', keysBody(['a', 'a', 'absent', 'b'])), 200)).toEqual({
      count: 2,
    });
    expect(await client.held(['a', 'b', 'c'])).toEqual(['c']);
    expect(dataOf(await batch(client, 'delete', keysBody(['a', 'b'])), 200)).toEqual({ count: 0 });
  });

  test('with two sets of one key keeps the last, and returns a result for both', async () => {
    const client = connect();
    const answer = await setBatch(client, [
      ['a', '1', 10],
      ['b', '2'],
      ['a', '3', 20],
    ]);
    expect(itemsIn(answer)).toMatchObject([
      { key: 'a', ttl: 10 },
      { key: 'b', ttl: 300 },
      { key: 'a', ttl: 20 },
    ]);
    expect(dataOf(await client.get('a'), 200)).toMatchObject({ value: 3, ttl: leftOf(20) });
  });

  test('reads and removes entries of single requests, and single requests read and remove entries of a batch', async () => {
    const client = connect();
    dataOf(await client.set('alone', '1.0'), 201);
    await setBatch(client, [['together', '2.0']]);
    const { text } = await batch(client, 'get', keysBody(['alone', 'together']));
    expect(text).toContain('"value":1.0,');
    expect(text).toContain('"value":2.0,');
    expectNoContent(await client.delete('together'));
    expect(dataOf(await client.invalidate({ pattern: 'alo*' }), 200).count).toBe(1);
    expect(itemsIn(await batch(client, 'get', keysBody(['alone', 'together'])))).toEqual([
      { key: 'alone', found: false },
      { key: 'together', found: false },
    ]);
  });

  test('sets, reads and deletes keys that a path cannot contain', async () => {
    const client = connect();
    const keys = ['a/b', 'a?b', '%2F', '%', ' ', '..', '#', '{a}', '"', '\\', '日本 🎈', '__proto__', '*'];
    await setBatch(
      client,
      keys.map((key) => [key, JSON.stringify(`of ${key}`)]),
    );
    expect(itemsIn(await batch(client, 'get', keysBody(keys)))).toMatchObject(
      keys.map((key) => ({ key, found: true, value: `of ${key}` })),
    );
    expect(dataOf(await batch(client, 'delete', keysBody(keys)), 200).count).toBe(keys.length);
  });

  test('does not affect another tenant', async () => {
    const [client, other] = [connect(), connect()];
    await setBatch(client, [['k', '1']]);
    expect(itemsIn(await batch(other, 'get', keysBody(['k'])))).toEqual([{ key: 'k', found: false }]);
    expect(dataOf(await batch(other, 'delete', keysBody(['k'])), 200).count).toBe(0);
    expect(await client.holds('k')).toBe(true);
  });

  test('is accepted with 100 keys of the maximum length in which every character is escaped', async () => {
    const client = connect();
    const keys = Array.from({ length: 100 }, (_, i) => `k:${i}`.padEnd(1024, '"'));
    const escaped = keys.map(
      (key) => `"${[...key].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`,
    );
    const items = escaped.map((key) => `{"key":${key},"value":1,"ttl":2592000}`);
    expect(itemsIn(await batch(client, 'set', `{"items":[${items}]}`), 201)).toHaveLength(100);
    const found = itemsIn(await batch(client, 'get', `{"keys":[${escaped}]}`));
    expect(found).toEqual(keys.map((key) => ({ key, value: 1, found: true, ttl: leftOf(2_592_000) })));
    expect(dataOf(await batch(client, 'delete', `{"keys":[${escaped}]}`), 200).count).toBe(100);
  });
});
