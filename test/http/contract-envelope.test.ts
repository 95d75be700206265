import { describe, expect, test } from 'vitest';
import { API, byQuery, type Client, dataOf, describeOnBackends, detailsOf, UUID_V4 } from './client.ts';
import type { RawRequest, RawResponse } from './gateway-raw.ts';

/** Requests to most endpoints and for some failures, with the expected status. */
const requests: [name: string, status: number, request: RawRequest][] = [
  ['a set', 201, { method: 'POST', target: API, body: '{"key":"k","value":1}' }],
  ['a hit', 200, { target: `${API}/k` }],
  ['a miss', 200, { target: byQuery('nothing') }],
  ['an invalidation', 200, { method: 'POST', target: `${API}/invalidate`, body: '{}' }],
  ['a batch of gets', 200, { method: 'POST', target: `${API}/batch/get`, body: '{"keys":["k"]}' }],
  ['a delete', 204, { method: 'DELETE', target: `${API}/k` }],
  ['a request without a key', 400, { target: API }],
  ['a request without a tenant', 401, { target: `${API}/k`, headers: ['X-Tenant-ID', ''] }],
  ['a clear of another tenant', 403, { method: 'DELETE', target: `${API}/tenant/other` }],
  ['a request to an unknown path', 404, { target: '/nowhere' }],
  ['a health check', 200, { target: '/health' }],
];

/** The identifiers in the response's headers. Expects the same identifiers in the body if it has the envelope. */
function idsOf(answer: RawResponse): { correlation: string | undefined; request: string | undefined } {
  const { 'x-correlation-id': correlation, 'x-request-id': request } = answer.headers;
  if (answer.text.startsWith('{"success":')) {
    expect(answer.json()).toMatchObject({ correlation_id: correlation, request_id: request });
  }
  return { correlation, request };
}

const sendWith = (client: Client, { headers = [], ...request }: RawRequest, more: string[]) =>
  client.send({ ...request, headers: [...headers, ...more] });

describeOnBackends('every response', {}, (connect) => {
  test('of a successful request has exactly the members of the success envelope', async () => {
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

  test('of a failed request has exactly the members of the failure envelope', async () => {
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
    // The tenant is new, so that the hit is a miss. The status is the same.
    expect(answer.status).toBe(status);
    expect(idsOf(answer)).toEqual({ correlation: 'chain/1', request: 'link-2' });
  });

  test.each(requests)(
    'contains a new UUID v4 for each identifier that the caller did not send: %s',
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
    ])('is echoed if it is %s', async (_, value) => {
      expect(await echoed(connect(), value)).toBe(value);
    });

    test.each([
      ['is empty', ''],
      ['has 129 characters', 'x'.repeat(129)],
      ['contains a space', 'a b'],
      ['contains a tab', 'a\tb'],
      ['contains a character that is not ASCII', 'caf\xe9'],
      ['contains bytes of UTF-8', Buffer.from('日').toString('latin1')],
    ])('is replaced by a UUID v4 if it %s', async (_, value) => {
      expect(await echoed(connect(), value)).toMatch(UUID_V4);
    });
  });

  test('does not depend on the case of header names', async () => {
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

  test('does not depend on X-User-ID or on a trace context, valid or not', async () => {
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
