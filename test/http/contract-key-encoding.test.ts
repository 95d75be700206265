import { describe, expect, test } from 'vitest';
import {
  API,
  byQuery,
  type Client,
  dataOf,
  describeOnBackends,
  detailsOf,
  expectInvalid,
  expectNoContent,
} from './client.ts';

describeOnBackends('a key in a body', {}, (connect) => {
  const setKey = (key: string) => connect().post(`{"key":${key},"value":1}`);

  test.each(['""', 'null', '1', 'true', '["k"]', '{"k":1}'])('is rejected if it is %s', async (key) => {
    expectInvalid(await setKey(key), 'key');
  });

  test('is required', async () => {
    expectInvalid(await connect().post('{"value":1}'), 'key');
  });

  test.each([String.raw`"\ud800"`, String.raw`"\udc00"`, String.raw`"a\udfffb"`, String.raw`"\ude00\ud83d"`])(
    'is rejected with half of a surrogate pair: %s',
    async (key) => {
      expectInvalid(await setKey(key), 'key');
    },
  );

  test('is decoded if it is written with escapes', async () => {
    const client = connect();
    dataOf(await client.post(String.raw`{"key":"\u0061\/\ud83d\udd11\\","value":1}`), 201);
    expect(await client.holds('a/🔑\\')).toBe(true);
  });
});

describeOnBackends('a key in a path', {}, (connect) => {
  test.each([
    ['%41', 'A'],
    ['%2541', '%41'],
    ['%252F', '%2F'],
    ['%25252F', '%252F'],
    ['a+b', 'a+b'],
    ['a%2Bb', 'a+b'],
    ['a%20b', 'a b'],
    ['%C3%A9', 'é'],
    ["~!$&'()*,;=:@", "~!$&'()*,;=:@"],
  ])('is decoded once: %s', async (encoded, key) => {
    const client = connect();
    dataOf(await client.set(key, '1'), 201);
    expect(dataOf(await client.send({ target: `${API}/${encoded}` }), 200)).toMatchObject({
      key,
      found: true,
    });
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}/${encoded}` }));
    expect(await client.holds(key)).toBe(false);
  });

  test.each(['GET', 'DELETE'])(
    'with an encoded slash is answered with 404 and removes nothing: %s',
    async (method) => {
      const client = connect();
      for (const key of ['a/b', 'a', 'a%2Fb']) dataOf(await client.set(key, '1'), 201);
      for (const encoded of ['a%2Fb', 'a%2fb', '%2F', 'a%2F']) {
        detailsOf(await client.send({ method, target: `${API}/${encoded}` }), 404, 'NOT_FOUND');
      }
      expect(dataOf(await client.invalidate(), 200).count).toBe(3);
    },
  );
});

describeOnBackends('a key in a query', {}, (connect) => {
  describe.each(['GET', 'DELETE'])('of a %s', (method) => {
    const send = (client: Client, query: string) => client.send({ method, target: `${API}${query}` });

    test.each(['', '?', '?key', '?key=', '?other=a', '?url=a'])('is required: %j', async (query) => {
      expectInvalid(await send(connect(), query), 'key');
    });

    test.each(['?key=a&key=b', '?key=a&key=a', '?key=&key=a', '?key=a&x=1&key=b'])(
      'is rejected if it is repeated: %s',
      async (query) => {
        const client = connect();
        for (const key of ['a', 'b', 'a,b', ',a']) dataOf(await client.set(key, '1'), 201);
        expectInvalid(await send(client, query), 'key');
        expect(dataOf(await client.invalidate(), 200).count).toBe(4);
      },
    );

    test.each(['%', 'a%', '%4', '%zz', '%u0041', '%FF', '%C0%AF', '%ED%A0%80', '%F5%80%80%80', '%C3'])(
      'is rejected if it is not percent-encoded UTF-8: %s',
      async (key) => {
        expectInvalid(await send(connect(), `?key=${key}`), 'key');
      },
    );
  });

  test.each([
    ['key=a+b', 'a b'],
    ['key=a%20b', 'a b'],
    ['key=a%2Bb', 'a+b'],
    ['key=%2541', '%41'],
    ['key=a/b', 'a/b'],
    ['key=a?b', 'a?b'],
    ['key=a=b', 'a=b'],
    ['key=a,b', 'a,b'],
    ['other=1&key=a&more=2', 'a'],
    ['url=b&key=a', 'a'],
  ])('is decoded once, and a plus is a space: %s', async (query, key) => {
    const client = connect();
    dataOf(await client.set(key, '1'), 201);
    expect(dataOf(await client.send({ target: `${API}?${query}` }), 200)).toMatchObject({ key, found: true });
    expectNoContent(await client.send({ method: 'DELETE', target: `${API}?${query}` }));
    expect(dataOf(await client.send({ target: byQuery(key) }), 200)).toEqual({ key, found: false });
  });

  test.each(['Key', 'keys', 'kye', 'ke'])(
    'with the misspelled name %s is rejected and removes nothing',
    async (name) => {
      const client = connect();
      dataOf(await client.set('a', '1'), 201);
      for (const method of ['GET', 'DELETE']) {
        for (const target of [`${API}?${name}=a`, `${API}?key=a&${name}=a`, `${API}/a?${name}=b`]) {
          expectInvalid(await client.send({ method, target }), name);
        }
      }
      expect(await client.holds('a')).toBe(true);
    },
  );
});
