import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  API,
  type Client,
  dataOf,
  describedRequest,
  describeOnEveryBackend,
  detailsOf,
  expectInvalid,
  expectNoContent,
  valueText,
} from './client.ts';

/** The endpoints that take a body, with one that they take. */
const endpoints: [string, string, status: 200 | 201, body: string][] = [
  ['set', API, 201, '{"key":"k","value":"new"}'],
  ['invalidation', `${API}/invalidate`, 200, '{"pattern":"k"}'],
  ['batch of sets', `${API}/batch/set`, 201, '{"items":[{"key":"k","value":"new"}]}'],
  ['batch of gets', `${API}/batch/get`, 200, '{"keys":["k"]}'],
  ['batch of deletes', `${API}/batch/delete`, 200, '{"keys":["k"]}'],
];

describeOnEveryBackend('a body that nothing reads', {}, (connect) => {
  test('may be of any coding and any type', async () => {
    const headers = ['Content-Encoding', 'gzip', 'Content-Type', 'text/plain; charset=utf-16'];
    expectNoContent(await connect().send({ method: 'DELETE', target: `${API}/k`, headers, body: 'x' }));
  });
});

describeOnEveryBackend('a body', {}, (connect) => {
  describe.each(endpoints)('of a %s', (_, target, status, body) => {
    const send = (client: Client, sent: string | Buffer, type = 'application/json') =>
      client.send({ method: 'POST', target, body: sent, headers: ['Content-Type', type] });

    /** A tenant that holds what the requests would change. */
    async function connectWithEntry(): Promise<Client> {
      const client = connect();
      dataOf(await client.set('k', '"old"'), 201);
      return client;
    }

    const expectUnchanged = async (client: Client) =>
      expect(dataOf(await client.get('k'), 200)).toMatchObject({ found: true, value: 'old' });

    test.each([
      'application/json',
      'application/json; charset=utf-8',
      'application/json;charset=UTF-8',
      'application/json ; charset="utf-8"',
      'application/json; Charset = utf8',
      'application/json; version=1; charset=utf-8',
      'Application/JSON',
      'APPLICATION/JSON; CHARSET=UTF-8',
      'application/problem+json',
      'application/vnd.api+json; version=1',
      'application/ld+JSON',
    ])('is taken as %s', async (type) => {
      dataOf(await send(connect(), body, type), status);
    });

    test.each([
      '',
      'text/plain',
      'text/html; charset=utf-8',
      'application/x-www-form-urlencoded',
      'multipart/form-data; boundary=x',
      'application/octet-stream',
      'application/xml',
      'application/jsonx',
      'application/json-seq',
      'application/xjson',
      'application/json+xml',
      'application/x; type=application/json',
      'json',
      '*/*',
    ])('is refused as %j', async (type) => {
      const client = await connectWithEntry();
      detailsOf(await send(client, body, type), 415, 'UNSUPPORTED_MEDIA_TYPE');
      await expectUnchanged(client);
    });

    test('is refused without a type', async () => {
      const client = await connectWithEntry();
      const headers = ['X-Tenant-ID', client.tenant];
      const answer = await describedRequest(client.port, { method: 'POST', target, headers, body });
      detailsOf(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
      await expectUnchanged(client);
    });

    test.each(['[]', `[${body}]`, '"k"', JSON.stringify(body), '1', 'true', 'null', '', ' ', '[[]]'])(
      'that is no object is refused: %s',
      async (sent) => {
        const client = await connectWithEntry();
        expectInvalid(await send(client, sent), 'body');
        await expectUnchanged(client);
      },
    );

    test.each([
      ['base64 of JSON', Buffer.from(body).toString('base64')],
      ['a form', 'key=k&value=1&pattern=k'],
      ['JSON in UTF-16', Buffer.from(body, 'utf16le')],
      ['a byte that is not UTF-8', damaged(body, [0xff])],
      ['half a character of UTF-8', damaged(body, [0xc3])],
      ['a surrogate in UTF-8', damaged(body, [0xed, 0xa0, 0x80])],
      ['a slash in two bytes', damaged(body, [0xc0, 0xaf])],
      ['two byte order marks', `\ufeff\ufeff${body}`],
      ['a byte order mark alone', '\ufeff'],
    ])('that is %s is refused', async (_, sent) => {
      const client = await connectWithEntry();
      expectInvalid(await send(client, sent), 'body');
      await expectUnchanged(client);
    });

    test('may begin with a byte order mark', async () => {
      dataOf(await send(connect(), `\ufeff${body}`), status);
    });

    test.each(['gzip', 'BR', 'zstd', 'deflate', 'x-unknown', 'identity, gzip'])(
      'is refused with a Content-Encoding of %s, whatever its bytes are',
      async (coding) => {
        const client = await connectWithEntry();
        for (const sent of [body, gzipSync(body)]) {
          const answer = await client.send({
            method: 'POST',
            target,
            body: sent,
            headers: ['Content-Encoding', coding],
          });
          expect(detailsOf(answer, 415, 'UNSUPPORTED_MEDIA_TYPE')).toEqual({
            header: 'Content-Encoding',
            accepted: 'identity',
          });
          expect(answer.text).toContain('The Content-Encoding must be identity');
        }
        await expectUnchanged(client);
      },
    );

    test.each(['identity', 'Identity', ''])('is taken with a Content-Encoding of %j', async (coding) => {
      const headers = ['Content-Encoding', coding];
      dataOf(await connect().send({ method: 'POST', target, body, headers }), status);
    });

    test.each(['utf-16', '"UTF-16LE"', 'iso-8859-1', 'us-ascii'])(
      'is refused with the charset %s, whatever its bytes are',
      async (charset) => {
        const client = await connectWithEntry();
        for (const sent of [body, Buffer.from(body, 'utf16le')]) {
          const answer = await send(client, sent, `application/json; charset=${charset}`);
          expect(detailsOf(answer, 415, 'UNSUPPORTED_MEDIA_TYPE')).toEqual({
            header: 'Content-Type',
            accepted: 'application/json; charset=utf-8',
          });
        }
        await expectUnchanged(client);
      },
    );

    test('may hold other members, whatever they are called', async () => {
      const more =
        '"other":[{}],"url":1,"toString":null,"hasOwnProperty":1,"constructor":2,"found":false,"status":{}';
      dataOf(await send(connect(), body.replace('{', `{${more},`)), status);
      dataOf(await send(connect(), body.replace(/}$/, `,${more}}`)), status);
    });

    test('with members that a parser could stumble over does no harm', async () => {
      const client = connect();
      const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
      for (const more of ['"__proto__":{"ttl":1}', '"constructor":{"prototype":{}}', `"deep":${deep}`]) {
        const answer = await send(client, body.replace('{', `{${more},`));
        // It may take such a member for what it does not know, or for what it refuses.
        expect([status, 400]).toContain(answer.status);
      }
      dataOf(await send(client, body), status);
    });
  });

  test('of a set names every field that is not of its form', async () => {
    const client = connect();
    expectInvalid(await client.post('{}'), 'key', 'value');
    expectInvalid(await client.post('{"key":"","value":1,"ttl":0}'), 'key', 'ttl');
    expectInvalid(await client.post('{"key":1,"ttl":"1"}'), 'key', 'ttl', 'value');
    expectInvalid(await client.post('{"ttl":null}'), 'key', 'value');
  });

  test('of an invalidation names every field that is not of its form', async () => {
    expectInvalid(await connect().invalidate({ pattern: '', tenant_id: 1 }), 'pattern', 'tenant_id');
  });

  test.each([
    ['{"key":"k"}', 'pattern'],
    ['{"":{}}', 'pattern'],
    ['{"toString":"k"}', 'pattern'],
    ['{"tenant_id":"OWN","match":"zzz:*"}', 'pattern'],
    ['{"query":{"pattern":"k"}}', 'pattern'],
    ['{"patern":"k"}', 'patern'],
    ['{"Pattern":"zzz:*"}', 'Pattern'],
    ['{"pattern ":"k"}', 'pattern '],
    ['{"patern":null}', 'patern'],
    ['{"patern":"zzz:*","tenant_id":null}', 'patern'],
    ['{"pattern":"zzz:*","tenantId":"other"}', 'tenantId'],
  ])(
    'an invalidation with unknown members and no pattern is rejected and removes nothing: %s',
    async (sent, field) => {
      const client = connect();
      dataOf(await client.set('k', '"old"'), 201);
      expectInvalid(await client.invalidate(sent.replace('OWN', client.tenant)), field);
      expect(await client.holds('k')).toBe(true);
    },
  );

  test.each([
    ['{"key":"k","value":1,"TTL":5}', 'TTL is an unknown member, did you mean ttl?'],
    ['{"key":"k","value":1,"tll":5}', 'tll is an unknown member, did you mean ttl?'],
    ['{"key":"k","Value":1}', 'Value is an unknown member, did you mean value?'],
    ['{"key":"k","value":1,"val":2}', 'val is an unknown member, did you mean value?'],
    ['{"keys":"k","key":"k","value":1}', 'keys is an unknown member, did you mean key?'],
  ])('a set with a misspelled member is rejected and sets nothing: %s', async (sent, message) => {
    const client = connect();
    const answer = await client.post(sent);
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message } });
    expect(await client.holds('k')).toBe(false);
  });

  test('an item of a batch with a misspelled member is rejected by its place, and no item is set', async () => {
    const client = connect();
    const items = '[{"key":"a","value":1},{"key":"b","value":1,"Ttl":5}]';
    const answer = await client.send({
      method: 'POST',
      target: `${API}/batch/set`,
      body: `{"items":${items}}`,
    });
    const message = 'items.1.Ttl is an unknown member, did you mean ttl?';
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message } });
    expect(await client.holds('a')).toBe(false);
  });

  test('a member that resembles no known one is ignored', async () => {
    const client = connect();
    dataOf(await client.post('{"key":"k","value":1,"url":"x","tag":"y","id":1,"metadata":{"TTL":1}}'), 201);
    expect(await client.holds('k')).toBe(true);
  });

  test('a rejected request names its first problem in the message', async () => {
    const answer = await connect().post('{"key":"k","value":1,"ttl":0}');
    const message = 'ttl must be a whole number of seconds from 1 to 2592000';
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message } });
  });

  test('with a byte order mark is stored without it, and its value verbatim', async () => {
    const client = connect();
    const value = '[1.0, "\ufeff"]';
    dataOf(await client.post(`\ufeff{"key":"k","value":${value}}`), 201);
    expect(valueText(await client.get('k'), value.length)).toBe(value);
  });

  test('goes to the store in the text that it has, whatever its script', async () => {
    const client = connect();
    const value = '"ключ 鍵 🔑 e\u0301"';
    dataOf(await client.post(Buffer.from(`{"key":"k","value":${value}}`)), 201);
    expect(valueText(await client.get('k'), value.length)).toBe(value);
  });
});

/** The text in UTF-8 with these bytes after its second quote. */
function damaged(text: string, bytes: number[]): Buffer {
  const at = text.indexOf('"', text.indexOf('":"') + 2) + 1;
  return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(bytes), Buffer.from(text.slice(at))]);
}
