import { afterEach, describe, expect, test } from 'vitest';
import { serviceBackends } from '../conformance/backends.ts';
import { API, Client } from './client.ts';
import { type Service, startService } from './service.ts';

const KEY = 'secret-key';
const VALUE = '"secret-value"';

interface LogLine {
  level: string;
  message: string;
  operation: string;
  status: number;
  tenant: string;
  user?: string;
  correlation_id: string;
  request_id: string;
}

const sendBatch = (kind: string, body: string) => (client: Client, headers: string[]) =>
  client.send({ method: 'POST', target: `${API}/batch/${kind}`, headers, body });

const sendTouch = (body: string) => (client: Client, headers: string[]) =>
  client.send({ method: 'POST', target: `${API}/touch`, headers, body });

/** Requests that contain a key or a value, of every kind. */
const requests: [operation: string, status: number, send: (client: Client, headers: string[]) => unknown][] =
  [
    ['set', 201, (client, headers) => client.post(`{"key":"${KEY}","value":${VALUE}}`, headers)],
    ['get', 200, (client, headers) => client.send({ target: `${API}/${KEY}`, headers })],
    ['get', 200, (client, headers) => client.send({ target: `${API}?key=${KEY}2`, headers })],
    [
      'set',
      400,
      (client, headers) => client.post(`{"key":"${KEY}","value":${VALUE},"ttl":"secret"}`, headers),
    ],
    ['set', 400, (client, headers) => client.post(`{"key":"${KEY}","value":${VALUE}`, headers)],
    ['set', 400, (client, headers) => client.post(`{"key":"${KEY}","value":[${VALUE},]}`, headers)],
    ['set', 413, (client, headers) => client.post(`{"key":"${KEY}","value":[${VALUE.repeat(9)}]}`, headers)],
    ['set', 415, (client, headers) => client.post(KEY, [...headers, 'Content-Type', 'text/plain'])],
    ['get', 400, (client, headers) => client.send({ target: `${API}?key=${KEY}&key=${KEY}`, headers })],
    ['get', 400, (client, headers) => client.send({ target: `${API}?key=${KEY}%FF`, headers })],
    ['touch', 200, sendTouch(`{"key":"${KEY}","ttl":60}`)],
    ['touch', 400, sendTouch(`{"key":"${KEY}"}`)],
    [
      'invalidate',
      200,
      (client, headers) =>
        client.send({ method: 'POST', target: `${API}/invalidate`, headers, body: `{"pattern":"${KEY}*"}` }),
    ],
    [
      'invalidate',
      200,
      (client, headers) =>
        client.send({ method: 'POST', target: `${API}/invalidate`, headers, body: `{"tags":["${KEY}"]}` }),
    ],
    ['set', 201, (client, headers) => client.post(`{"key":"${KEY}","value":1,"tags":["${KEY}"]}`, headers)],
    ['set', 400, (client, headers) => client.post(`{"key":"k","value":1,"tags":["${KEY}\u0000"]}`, headers)],
    ...(['pattern', 'tag', 'cursor', 'limit'] as const).map(
      (name): [string, number, (client: Client, headers: string[]) => unknown] => [
        'keys',
        name === 'pattern' || name === 'tag' ? 200 : 400,
        (client, headers) =>
          client.send({ target: `${API}/tenant/${client.tenant}/keys?${name}=${KEY}`, headers }),
      ],
    ),
    ['batch-set', 201, sendBatch('set', `{"items":[{"key":"${KEY}","value":${VALUE}}]}`)],
    ['batch-set', 400, sendBatch('set', `{"items":[{"key":"${KEY}","value":[${VALUE},]}]}`)],
    ['batch-set', 413, sendBatch('set', `{"items":[{"key":"${KEY}","value":[${VALUE.repeat(9)}]}]}`)],
    ['batch-get', 200, sendBatch('get', `{"keys":["${KEY}","${KEY}3"]}`)],
    ['batch-get', 400, sendBatch('get', `{"keys":["${KEY}\u0000"]}`)],
    ['batch-delete', 200, sendBatch('delete', `{"keys":["${KEY}"]}`)],
    ['delete', 204, (client, headers) => client.send({ method: 'DELETE', target: `${API}/${KEY}`, headers })],
    ['not-found', 404, (client, headers) => client.send({ target: `${API}/${KEY}/${KEY}`, headers })],
  ];

const started: Service[] = [];

async function start(env: Record<string, string>): Promise<Service> {
  const service = await startService(env);
  started.push(service);
  return service;
}

afterEach(async () => {
  await Promise.all(started.splice(0).map((service) => service.stop()));
});

/** Stops the service. @returns the lines for requests in its log */
async function requestsIn(service: Service): Promise<LogLine[]> {
  await service.stop();
  expect(service.stderr()).toBe('');
  const lines = service.stdout().split('\n');
  const logged: LogLine[] = lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  return logged.filter(({ message }) => message === 'request');
}

describe.each(serviceBackends)('the log ($name)', ({ url }) => {
  const env: Record<string, string> = url === undefined ? {} : { DRAGONFLY_URL: url };

  test('has one line of JSON for each request, with its identifiers and without key and value', async () => {
    const service = await start({ ...env, MAX_VALUE_BYTES: '100' });
    const client = new Client(service);
    for (const [index, [, , send]] of requests.entries()) {
      await send(client, ['X-Correlation-ID', `chain-${index}`, 'X-Request-ID', `link-${index}`]);
    }
    const lines = await requestsIn(service);
    expect(lines).toHaveLength(requests.length);
    for (const [index, [operation, status]] of requests.entries()) {
      expect(lines[index]).toMatchObject({
        level: 'INFO',
        operation,
        status,
        correlation_id: `chain-${index}`,
        request_id: `link-${index}`,
      });
    }
    expect(service.stdout()).not.toContain('secret');
  });

  test('contains the tenant, and the user if the request has one', async () => {
    const service = await start(env);
    const client = new Client(service);
    await client.send({ target: `${API}/k`, headers: ['X-User-ID', 'someone "quoted"'] });
    await client.get('k');
    const [named, unnamed] = await requestsIn(service);
    expect(named).toMatchObject({ tenant: client.tenant, user: 'someone "quoted"' });
    expect(unnamed).toMatchObject({ tenant: client.tenant });
    expect(unnamed).not.toHaveProperty('user');
  });

  test('contains the number of keys, hits, misses and removed entries of a batch', async () => {
    const service = await start(env);
    const client = new Client(service);
    await sendBatch('set', '{"items":[{"key":"a","value":1},{"key":"b","value":2}]}')(client, []);
    await sendBatch('get', '{"keys":["a","absent","b"]}')(client, []);
    await sendBatch('delete', '{"keys":["a","absent","a"]}')(client, []);
    expect(await requestsIn(service)).toMatchObject([
      { operation: 'batch-set', keys: 2 },
      { operation: 'batch-get', hits: 2, misses: 1 },
      { operation: 'batch-delete', keys: 3, count: 1 },
    ]);
  });

  test('contains no lines below LOG_LEVEL', async () => {
    const service = await start({ ...env, LOG_LEVEL: 'WARN' });
    await new Client(service).get('k');
    expect(await requestsIn(service)).toEqual([]);
  });
});
