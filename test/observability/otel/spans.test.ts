import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mainBackends } from '../../conformance/backends.ts';
import { type Service, startService } from '../../faults/harness/service.ts';
import { API, Client } from '../../http/client.ts';
import { writeCertificates } from '../../support/engines/certificates.ts';
import { freePort, LOOPBACK } from '../../support/engines/ports.ts';
import { IMPATIENT, PATIENT } from '../../support/patience.ts';
import { CLIENT, type DecodedSpan, ERROR, SERVER } from './otlp.ts';
import { type Receiver, startReceiver } from './receiver.ts';

/** W3C trace context, level 1. */
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const traceparent = (flags: '00' | '01', trace = TRACE) => ['traceparent', `00-${trace}-${PARENT}-${flags}`];

/** Parts of the keys, values and paths in the requests. They must not occur in an export. */
const SECRETS = ['secret-key', 'secret-value', 'no-such-path', 'coffee'];

let receiver: Receiver;

beforeAll(async () => {
  receiver = await startReceiver();
});
afterAll(() => receiver.stop());

const telemetry = () => ({ ...PATIENT, ENABLE_OTEL: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url });

/** The span of the request with this correlation id. */
const serverSpan = (correlationId: string): Promise<DecodedSpan> =>
  expect
    .poll(() => find(correlationId), { message: `no span of ${correlationId}` })
    .toBeDefined()
    .then(() => find(correlationId) as DecodedSpan);

const find = (correlationId: string) =>
  receiver.spans.find(({ attributes }) => attributes['cache.correlation_id'] === correlationId);

const childrenOf = ({ spanId }: DecodedSpan) =>
  receiver.spans.filter(({ parentSpanId }) => parentSpanId === spanId);

const correlation = (id: string) => ['X-Correlation-ID', id];

describe.each(mainBackends)('the local server with OpenTelemetry enabled ($name)', ({ name, url }) => {
  let service: Service;
  let client: Client;
  const id = (what: string) => `${name.replaceAll(' ', '-')}-${what}`;

  beforeAll(async () => {
    service = await startService({ ...telemetry(), ...(url !== undefined && { DRAGONFLY_URL: url }) });
    client = new Client(service);
  });
  afterAll(() => service.stop());

  it('sends a server span per request, with the attributes of the conventions', async () => {
    const headers = [...correlation(id('set')), 'X-User-ID', 'user-7', 'X-Request-ID', id('set-request')];
    const before = BigInt(Date.now()) * 1_000_000n;
    expect((await client.post('{"key":"secret-key","value":"secret-value"}', headers)).status).toBe(201);
    const span = await serverSpan(id('set'));
    expect(span).toMatchObject({ name: `POST ${API}`, kind: SERVER, status: { code: 0 } });
    expect(span.attributes).toEqual({
      'http.request.method': 'POST',
      'http.route': API,
      'http.response.status_code': 201,
      'url.scheme': 'http',
      'cache.operation': 'set',
      'cache.tenant': client.tenant,
      'cache.correlation_id': id('set'),
      'cache.request_id': id('set-request'),
      'user.id': 'user-7',
    });
    expect(span.resource).toMatchObject({
      'service.name': 'cache-service',
      'service.instance.id': expect.stringMatching(/^[0-9a-f-]{36}$/),
      'telemetry.sdk.language': 'nodejs',
    });
    expect(span.resource).not.toHaveProperty('faas.name');
    expect(span.start).toBeGreaterThan(before - 1_000_000_000n);
    expect(span.end).toBeGreaterThan(span.start);
    expect(span.end).toBeLessThan(BigInt(Date.now() + 1000) * 1_000_000n);
  });

  it('truncates attributes from callers to 256 characters', async () => {
    const headers = [...correlation(id('long')), 'X-User-ID', 'u'.repeat(1000)];
    await client.send({ target: `${API}/k`, headers });
    expect((await serverSpan(id('long'))).attributes['user.id']).toBe('u'.repeat(256));
  });

  it('names spans by the route and not by the path, which contains the key', async () => {
    const paths = [`${API}/secret-key-1`, `${API}?key=secret-key-1`];
    for (const [index, target] of paths.entries()) {
      await client.send({ target, headers: correlation(id(`get-${index}`)) });
    }
    expect(await serverSpan(id('get-0'))).toMatchObject({ name: `GET ${API}/{key}` });
    expect(await serverSpan(id('get-1'))).toMatchObject({
      name: `GET ${API}`,
      attributes: { 'http.route': API },
    });
  });

  it('names a HEAD request after the route of GET', async () => {
    await client.send({ method: 'HEAD', target: `${API}?key=k`, headers: correlation(id('head')) });
    expect(await serverSpan(id('head'))).toMatchObject({
      name: `HEAD ${API}`,
      attributes: { 'http.route': API, 'http.request.method': 'HEAD' },
    });
  });

  it('makes a child span of each backend operation, within the time of its parent', async () => {
    await client.post('{"key":"secret-key-2","value":"secret-value"}', correlation(id('below')));
    const span = await serverSpan(id('below'));
    const children = childrenOf(span);
    if (url === undefined) {
      expect(children).toEqual([]);
      return;
    }
    expect(children.length).toBeGreaterThan(0);
    for (const child of children) {
      expect(child).toMatchObject({ kind: CLIENT, traceId: span.traceId, status: { code: 0 } });
      expect(child.attributes).toMatchObject({ 'db.system.name': 'redis' });
      expect(child.start).toBeGreaterThanOrEqual(span.start);
      expect(child.end).toBeLessThanOrEqual(span.end);
    }
  });

  it('gives concurrent requests separate traces', async () => {
    const names = Array.from({ length: 40 }, (_, index) => id(`side-${index}`));
    await Promise.all(
      names.map((name, index) =>
        index % 2
          ? client.send({ target: `${API}/secret-key-${index}`, headers: correlation(name) })
          : client.post(`{"key":"secret-key-${index}","value":1}`, correlation(name)),
      ),
    );
    const spans = await Promise.all(names.map(serverSpan));
    expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(spans.length);
    for (const span of spans) {
      const children = childrenOf(span);
      if (url !== undefined) expect(children.length).toBeGreaterThan(0);
      for (const { traceId } of children) expect(traceId).toBe(span.traceId);
    }
  });

  it('continues the trace of its caller, with its trace state', async () => {
    const headers = [
      ...traceparent('01'),
      'tracestate',
      'vendor=abc,other=1',
      ...correlation(id('continued')),
    ];
    await client.send({ target: `${API}/k`, headers });
    const span = await serverSpan(id('continued'));
    expect(span).toMatchObject({ traceId: TRACE, parentSpanId: PARENT, traceState: 'vendor=abc,other=1' });
    for (const child of childrenOf(span)) expect(child.traceId).toBe(TRACE);
  });

  it('starts a new trace if traceparent is missing, malformed or repeated', async () => {
    const given = {
      none: [],
      nonsense: ['traceparent', 'nonsense'],
      zero: traceparent('01', '0'.repeat(32)),
      twice: [...traceparent('01'), ...traceparent('01')],
    };
    for (const [what, headers] of Object.entries(given)) {
      await client.send({ target: `${API}/k`, headers: [...headers, ...correlation(id(what))] });
    }
    for (const what of Object.keys(given)) {
      const span = await serverSpan(id(what));
      expect(span.parentSpanId, what).toBeUndefined();
      expect(span.traceId, what).not.toBe(TRACE);
    }
  });

  it('sends no span of a request that its caller did not sample', async () => {
    const untraced = '11111111111111111111111111111111';
    const headers = [...traceparent('00', untraced), ...correlation(id('untraced'))];
    await client.send({ target: `${API}/k`, headers });
    await client.send({ target: `${API}/k`, headers: correlation(id('after-it')) });
    await serverSpan(id('after-it'));
    expect(find(id('untraced'))).toBeUndefined();
    expect(receiver.spans.some(({ traceId }) => traceId === untraced)).toBe(false);
  });

  it('sets no error status on the span of a 4xx response, and no route if none matches', async () => {
    await client.post('{"key":"","value":1}', correlation(id('wrong')));
    await client.send({
      method: 'PATCH',
      target: '/no-such-path/secret-key',
      headers: correlation(id('nowhere')),
    });
    await client
      .send({ method: 'BREW', target: '/coffee', headers: correlation(id('brew')) })
      .catch(() => {});
    // A method that Node accepts and the conventions do not list.
    await client.send({ method: 'PURGE', target: '/no-such-path', headers: correlation(id('purge')) });
    expect(await serverSpan(id('purge'))).toMatchObject({
      name: 'HTTP',
      attributes: { 'http.request.method': '_OTHER' },
    });
    expect(await serverSpan(id('wrong'))).toMatchObject({
      status: { code: 0 },
      attributes: { 'http.response.status_code': 400 },
    });
    const nowhere = await serverSpan(id('nowhere'));
    expect(nowhere).toMatchObject({
      name: 'PATCH',
      status: { code: 0 },
      attributes: { 'http.request.method': 'PATCH', 'http.response.status_code': 404 },
    });
    expect(nowhere.attributes).not.toHaveProperty('http.route');
  });
});

describe('an unreachable backend with OpenTelemetry enabled', () => {
  it('sets the error status without a message on the spans of the operation and of the request', async () => {
    const port = await freePort();
    const url = `redis://user:hunter2@${LOOPBACK}:${port}`;
    const service = await startService({ ...telemetry(), ...IMPATIENT, DRAGONFLY_URL: url });
    try {
      const client = new Client(service);
      expect((await client.send({ target: `${API}/k`, headers: correlation('away') })).status).toBe(503);
      const span = await serverSpan('away');
      expect(span).toMatchObject({
        status: { code: ERROR },
        attributes: { 'http.response.status_code': 503, 'error.type': '503' },
      });
      const [child] = childrenOf(span);
      expect(child).toMatchObject({
        kind: CLIENT,
        status: { code: ERROR, message: undefined },
        attributes: { 'error.type': 'BackendUnavailableError' },
      });
    } finally {
      await service.stop();
    }
  });
});

describe('a collector with TLS', () => {
  it('receives spans if its authority is trusted', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'cache-collector-'));
    const { caFile, certFile, keyFile } = await writeCertificates(directory);
    const [key, cert] = await Promise.all([keyFile, certFile].map((file) => readFile(file, 'utf8')));
    const secure = await startReceiver({ key: key ?? '', cert: cert ?? '' });
    const settings = { ...telemetry(), OTEL_EXPORTER_OTLP_ENDPOINT: secure.url, NODE_EXTRA_CA_CERTS: caFile };
    const service = await startService(settings);
    try {
      await new Client(service).send({ target: `${API}/k` });
      await expect.poll(() => secure.spans.length).toBe(1);
      expect(secure.received[0]?.path).toBe('/v1/traces');
    } finally {
      await service.stop();
      await secure.stop();
      await rm(directory, { recursive: true });
    }
  });
});

describe('the exports of all tests', () => {
  it('conform to OTLP and contain no key, value, path or password', async () => {
    expect(receiver.received.length).toBeGreaterThan(0);
    expect(receiver.problems).toEqual([]);
    const all = receiver.received.map(({ body }) => body).join('\n');
    // A failed `toContain` would print all exports.
    for (const secret of [...SECRETS, 'hunter2']) expect(all.includes(secret), secret).toBe(false);
  });
});
