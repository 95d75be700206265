import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import {
  API,
  type Client,
  dataOf,
  describedRequest,
  describeOnBackends,
  detailsOf,
  expectInvalid,
  expectNoContent,
  valueText,
} from './client.ts';

/** The endpoints that require a body, each with a valid body. */
const endpoints: [string, string, status: 200 | 201, body: string][] = [
  ['set', API, 201, '{"key":"k","value":"new"}'],
  ['invalidation', `${API}/invalidate`, 200, '{"pattern":"k"}'],
  ['batch of sets', `${API}/batch/set`, 201, '{"items":[{"key":"k","value":"new"}]}'],
  ['batch of gets', `${API}/batch/get`, 200, '{"keys":["k"]}'],
  ['batch of deletes', `${API}/batch/delete`, 200, '{"keys":["k"]}'],
];

describeOnBackends('the body of a DELETE request', {}, (connect) => {
  test('is ignored, with any Content-Encoding and Content-Type', async () => {
    const headers = ['Content-Encoding', 'gzip', 'Content-Type', 'text/plain; charset=utf-16'];
    expectNoContent(await connect().send({ method: 'DELETE', target: `${API}/k`, headers, body: 'x' }));
  });
});

describeOnBackends('a body', {}, (connect) => {
  describe.each(endpoints)('of a %s', (_, target, status, body) => {
    const send = (client: Client, sent: string | Buffer, type = 'application/json') =>
      client.send({ method: 'POST', target, body: sent, headers: ['Content-Type', type] });

    /** A client whose tenant has the entry that the requests would change. */
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
    ])('is accepted with the Content-Type %s', async (type) => {
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
    ])('with the Content-Type %j is rejected with 415 and changes nothing', async (type) => {
      const client = await connectWithEntry();
      detailsOf(await send(client, body, type), 415, 'UNSUPPORTED_MEDIA_TYPE');
      await expectUnchanged(client);
    });

    test('is rejected with 415 and changes nothing without a Content-Type', async () => {
      const client = await connectWithEntry();
      const headers = ['X-Tenant-ID', client.tenant];
      const answer = await describedRequest(client.port, { method: 'POST', target, headers, body });
      detailsOf(answer, 415, 'UNSUPPORTED_MEDIA_TYPE');
      await expectUnchanged(client);
    });

    test.each(['[]', `[${body}]`, '"k"', JSON.stringify(body), '1', 'true', 'null', '', ' ', '[[]]'])(
      'is rejected and changes nothing if it is not an object: %s',
      async (sent) => {
        const client = await connectWithEntry();
        expectInvalid(await send(client, sent), 'body');
        await expectUnchanged(client);
      },
    );

    test.each([
      ['JSON in base64', Buffer.from(body).toString('base64')],
      ['a form', 'key=k&value=1&pattern=k'],
      ['JSON in UTF-16', Buffer.from(body, 'utf16le')],
      ['JSON with a byte that is invalid in UTF-8', damaged(body, [0xff])],
      ['JSON with a truncated UTF-8 sequence', damaged(body, [0xc3])],
      ['JSON with a surrogate encoded in UTF-8', damaged(body, [0xed, 0xa0, 0x80])],
      ['JSON with an overlong UTF-8 sequence', damaged(body, [0xc0, 0xaf])],
      ['JSON after two byte order marks', `\ufeff\ufeff${body}`],
      ['only a byte order mark', '\ufeff'],
    ])('is rejected and changes nothing if it is %s', async (_, sent) => {
      const client = await connectWithEntry();
      expectInvalid(await send(client, sent), 'body');
      await expectUnchanged(client);
    });

    test('is accepted with a byte order mark at its start', async () => {
      dataOf(await send(connect(), `\ufeff${body}`), status);
    });

    test.each(['gzip', 'BR', 'zstd', 'deflate', 'x-unknown', 'identity, gzip'])(
      'with the Content-Encoding %s is rejected with 415, compressed or not',
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

    test.each(['identity', 'Identity', ''])('is accepted with the Content-Encoding %j', async (coding) => {
      const headers = ['Content-Encoding', coding];
      dataOf(await connect().send({ method: 'POST', target, body, headers }), status);
    });

    test.each(['utf-16', '"UTF-16LE"', 'iso-8859-1', 'us-ascii'])(
      'with the charset %s is rejected with 415, in UTF-8 or UTF-16',
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

    test('is accepted with unknown members', async () => {
      const more =
        '"other":[{}],"url":1,"toString":null,"hasOwnProperty":1,"constructor":2,"found":false,"status":{}';
      dataOf(await send(connect(), body.replace('{', `{${more},`)), status);
      dataOf(await send(connect(), body.replace(/}$/, `,${more}}`)), status);
    });

    test('with __proto__, constructor or deeply nested members does not stop the service', async () => {
      const client = connect();
      const deep = `${'['.repeat(20_000)}${']'.repeat(20_000)}`;
      for (const more of ['"__proto__":{"ttl":1}', '"constructor":{"prototype":{}}', `"deep":${deep}`]) {
        const answer = await send(client, body.replace('{', `{${more},`));
        // The service may ignore the member or reject it.
        expect([status, 400]).toContain(answer.status);
      }
      dataOf(await send(client, body), status);
    });
  });

  test('of a set is rejected with every invalid field in the response', async () => {
    const client = connect();
    expectInvalid(await client.post('{}'), 'key', 'value');
    expectInvalid(await client.post('{"key":"","value":1,"ttl":0}'), 'key', 'ttl');
    expectInvalid(await client.post('{"key":1,"ttl":"1"}'), 'key', 'ttl', 'value');
    expectInvalid(await client.post('{"ttl":null}'), 'key', 'value');
  });

  test('of an invalidation is rejected with every invalid field in the response', async () => {
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
    'of an invalidation with unknown members and no pattern is rejected and removes nothing: %s',
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
  ])('of a set with a misspelled member is rejected and sets nothing: %s', async (sent, message) => {
    const client = connect();
    const answer = await client.post(sent);
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message } });
    expect(await client.holds('k')).toBe(false);
  });

  test('of a batch with a misspelled member in one item is rejected with the index of the item, and no item is set', async () => {
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

  test('of a set is accepted with unknown members that resemble no known member', async () => {
    const client = connect();
    dataOf(await client.post('{"key":"k","value":1,"url":"x","label":"y","id":1,"metadata":{"TTL":1}}'), 201);
    expect(await client.holds('k')).toBe(true);
  });

  test('of a rejected set has its first problem in the error message', async () => {
    const answer = await connect().post('{"key":"k","value":1,"ttl":0}');
    const message = 'ttl must be a whole number of seconds from 1 to 2592000';
    expect(answer.json()).toMatchObject({ error: { code: 'VALIDATION_ERROR', message } });
  });

  test('with a byte order mark stores the value verbatim and without the mark', async () => {
    const client = connect();
    const value = '[1.0, "\ufeff"]';
    dataOf(await client.post(`\ufeff{"key":"k","value":${value}}`), 201);
    expect(valueText(await client.get('k'), value.length)).toBe(value);
  });

  test('with text in several scripts stores the value verbatim', async () => {
    const client = connect();
    const value = '"ключ 鍵 🔑 e\u0301"';
    dataOf(await client.post(Buffer.from(`{"key":"k","value":${value}}`)), 201);
    expect(valueText(await client.get('k'), value.length)).toBe(value);
  });
});

/** The text in UTF-8 with these bytes inserted into its first string value. */
function damaged(text: string, bytes: number[]): Buffer {
  const at = text.indexOf('"', text.indexOf('":"') + 2) + 1;
  return Buffer.concat([Buffer.from(text.slice(0, at)), Buffer.from(bytes), Buffer.from(text.slice(at))]);
}
