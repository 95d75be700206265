import { describe, expect, test } from 'vitest';
import { API, byQuery, type Client, dataOf, describeOnEveryBackend, detailsOf, UUID_V4 } from './client.ts';
import type { RawRequest, RawResponse } from './gateway-raw.ts';

/** One request for every endpoint, and for some failures, with the status that it is answered with. */
const requests: [name: string, status: number, request: RawRequest][] = [
  ['a set', 201, { method: 'POST', target: API, body: '{"key":"k","value":1}' }],
  ['a hit', 200, { target: `${API}/k` }],
  ['a miss', 200, { target: byQuery('nothing') }],
  ['an invalidation', 200, { method: 'POST', target: `${API}/invalidate`, body: '{}' }],
  ['a batch of gets', 200, { method: 'POST', target: `${API}/batch/get`, body: '{"keys":["k"]}' }],
  ['a delete', 204, { method: 'DELETE', target: `${API}/k` }],
  ['a request without a key', 400, { target: API }],
  ['a request without a tenant', 401, { target: `${API}/k`, headers: ['X-Tenant-ID', ''] }],
  ["a clear of another's tenant", 403, { method: 'DELETE', target: `${API}/tenant/other` }],
  ['a request that no route takes', 404, { target: '/nowhere' }],
  ['a health check', 200, { target: '/health' }],
];

/** What an answer says its identifiers are; in its body too, where it has the envelope. */
function idsOf(answer: RawResponse): { correlation: string | undefined; request: string | undefined } {
  const { 'x-correlation-id': correlation, 'x-request-id': request } = answer.headers;
  if (answer.text.startsWith('{"success":')) {
    expect(answer.json()).toMatchObject({ correlation_id: correlation, request_id: request });
  }
  return { correlation, request };
}

const sendWith = (client: Client, { headers = [], ...request }: RawRequest, more: string[]) =>
  client.send({ ...request, headers: [...headers, ...more] });

describeOnEveryBackend('every answer', {}, (connect) => {
  test('to what succeeds has the success envelope and nothing else', async () => {
    const client = connect();
    expect(dataOf(await client.set('k', '[1]', 60), 201)).toEqual({ key: 'k', status: 'set', ttl: 60 });
    const { ttl, ...hit } = dataOf(await client.get('k'), 200);
    expect(hit).toEqual({ key: 'k', value: [1], found: true });
    expect(ttl).toBeTypeOf('number');
    expect(dataOf(await client.get('other'), 200)).toEqual({ key: 'other', found: false });
    expect(dataOf(await client.invalidate({ pattern: 'k*' }), 200)).toEqual({
      pattern: 'k*',
      status: 'invalidated',
      count: 1,
    });
  });

  test('to what fails has the failure envelope and nothing else', async () => {
    const client = connect();
    const issues = detailsOf(await client.post('{}'), 400, 'VALIDATION_ERROR').issues as object[];
    expect(issues.length).toBeGreaterThan(0);
    for (const issue of issues) {
      expect(issue).toEqual({ field: expect.any(String), message: expect.any(String) });
    }
    const nobody = ['X-Tenant-ID', ''];
    detailsOf(await client.send({ target: `${API}/k`, headers: nobody }), 401, 'MISSING_TENANT_ID');
    detailsOf(await client.clear('other'), 403, 'TENANT_MISMATCH');
    detailsOf(await client.send({ target: '/nowhere' }), 404, 'NOT_FOUND');
    detailsOf(await client.post('k=1', ['Content-Type', 'text/plain']), 415, 'UNSUPPORTED_MEDIA_TYPE');
  });

  test.each(requests)("echoes the caller's identifiers: %s", async (_, status, request) => {
    const given = ['X-Correlation-ID', 'chain/1', 'x-request-id', 'link-2'];
    const answer = await sendWith(connect(), request, given);
    // In a tenant of its own, a hit is a miss: the status is the same.
    expect(answer.status).toBe(status);
    expect(idsOf(answer)).toEqual({ correlation: 'chain/1', request: 'link-2' });
  });

  test.each(requests)(
    'has a UUID v4 where the caller sent no identifier: %s',
    async (_, _status, request) => {
      const client = connect();
      const ids = [
        idsOf(await client.send(request)),
        idsOf(await client.send(request)),
        idsOf(await sendWith(client, request, ['X-Correlation-ID', 'chain'])),
        idsOf(await sendWith(client, request, ['X-Request-ID', 'link'])),
      ];
      const made = ids.flatMap(Object.values).filter((id) => id !== 'chain' && id !== 'link');
      expect(made).toHaveLength(6);
      for (const id of made) expect(id).toMatch(UUID_V4);
      expect(new Set(made).size).toBe(6);
    },
  );

  describe.each(['X-Correlation-ID', 'X-Request-ID'])('%s', (header) => {
    const echoed = async (client: Client, value: string) =>
      (await client.send({ target: '/health', headers: [header, value] })).headers[header.toLowerCase()];

    test.each([
      ['one character', '!'],
      ['128 characters', 'x'.repeat(128)],
      [
        'every visible ASCII character',
        String.fromCharCode(...Array.from({ length: 94 }, (_, i) => 0x21 + i)),
      ],
    ])('is echoed when it is %s', async (_, value) => {
      expect(await echoed(connect(), value)).toBe(value);
    });

    test.each([
      ['is empty', ''],
      ['has 129 characters', 'x'.repeat(129)],
      ['holds a space', 'a b'],
      ['holds a tab', 'a\tb'],
      ['holds another character than ASCII', 'caf\xe9'],
      ['holds bytes of UTF-8', Buffer.from('日').toString('latin1')],
    ])('is replaced by a UUID v4 when it %s', async (_, value) => {
      expect(await echoed(connect(), value)).toMatch(UUID_V4);
    });
  });

  test('is the same whatever the case of header names', async () => {
    const client = connect();
    const headers = [
      'x-TENANT-id',
      client.tenant,
      'CONTENT-TYPE',
      'application/json',
      'x-CORRELATION-id',
      'c',
    ];
    const answer = await client.send({
      method: 'POST',
      target: API,
      headers,
      body: '{"key":"k","value":1}',
    });
    dataOf(answer, 201);
    expect(answer.headers['x-correlation-id']).toBe('c');
    expect(await client.holds('k')).toBe(true);
  });

  test('is the same with a user and with a trace context, well-formed or not', async () => {
    const client = connect();
    for (const headers of [
      ['X-User-ID', 'someone@example.org'],
      ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'tracestate', 'a=1,b=2'],
      ['traceparent', 'nonsense', 'tracestate', '=,='],
    ]) {
      const answer = await client.send({ target: `${API}/k`, headers });
      expect(dataOf(answer, 200)).toEqual({ key: 'k', found: false });
    }
  });
});
