import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { SAMPLE_TENANT } from '../../lib/openapi/components.ts';
import { openApiDocument } from '../../lib/openapi/document.ts';
import type { Schema } from '../../lib/openapi/json-schema.ts';
import { mainBackends } from '../conformance/backends.ts';
import { API, type Client, describedRequest, describeOnBackends } from '../http/client.ts';
import { type RawResponse, rawRequest } from '../http/gateway-raw.ts';
import { untilStale } from '../http/lease.ts';
import { startService } from '../http/service.ts';
import { type Described, document, operationFor, operationsOf } from './described.ts';
import {
  acceptedRequests,
  type EndpointExample,
  examples,
  examplesOf,
  examplesWith,
  preparationsOf,
  requestOf,
  type Sent,
  withHeader,
} from './requests.ts';
import {
  type StartedService,
  startOutOfTime,
  startWithBackendAway,
  startWithForeignBackend,
  startWithTokens,
} from './service-states.ts';
import { settle } from './settle.ts';
import { tooLarge } from './too-large.ts';

const operations = operationsOf(document);

/** The response examples of the document that no service has returned yet. */
const unseen = new Set(
  operations.flatMap(({ id, answers }) =>
    [...answers].flatMap(([status, { content }]) =>
      Object.keys(content?.['application/json']?.examples ?? {}).map((name) => `${id} ${status} ${name}`),
    ),
  ),
);

/** Removes the examples that match a response from `unseen`. */
function strikeOut({ id, answers }: Described, { status, text }: RawResponse): void {
  if (text === '') return;
  const examples = answers.get(status)?.content?.['application/json']?.examples ?? {};
  for (const [name, { value }] of Object.entries(examples)) {
    const alike = JSON.stringify(settle(JSON.parse(text), value)) === JSON.stringify(value);
    if (alike) unseen.delete(`${id} ${status} ${name}`);
  }
}

/** Sends the request of an example for a new tenant that has the entries and leases of the example, and compares the response. */
async function check(example: EndpointExample, client: Client): Promise<void> {
  const { port, tenant } = client;
  const { endpoint, name, given = [], expired, response } = example;
  const send = (sent: Sent) => describedRequest(port, withHeader(sent, 'X-Tenant-ID', tenant));
  for (const preparation of preparationsOf(example))
    expect([200, 201]).toContain((await send(preparation)).status);
  if (expired) for (const { key } of given) await untilStale(client, key);
  const sent = requestOf(example);
  const got = await send({ ...sent, target: sent.target.replace(SAMPLE_TENANT, tenant) });
  const text = got.text.replaceAll(tenant, SAMPLE_TENANT);
  expect(got.status, `${endpoint} ${name}: ${text}`).toBe(response.status);
  if (text === '') expect(response.body).toBeUndefined();
  else expect(settle(JSON.parse(text), response.body), `${endpoint} ${name}`).toEqual(response.body);
  strikeOut(operationFor(sent.method ?? '', sent.target) as Described, { ...got, text });
}

describeOnBackends(
  "the document's examples",
  {},
  (connect) => {
    test.each(examples)(
      '$endpoint, $name: the request of the example is answered with the response of the example',
      (example) => check(example, connect()),
    );
  },
  mainBackends,
);

/** Below the TTLs of the other examples. */
const SHORT = { MAX_TTL_SECONDS: '40', DEFAULT_TTL_SECONDS: '30', SERVICE_NAME: 'my cache' };

describeOnBackends(
  "the document's examples with short TTLs",
  SHORT,
  (connect) => {
    test('every request is answered with the response of its example', async () => {
      for (const example of examplesWith(readConfig(SHORT))) await check(example, connect());
    });
  },
  mainBackends,
);

/** All statuses of the document, with the error codes of each. */
const documented = operations.flatMap((operation) =>
  [...operation.answers].flatMap(([status, { content }]) =>
    codesIn(content?.['application/json']?.schema).map((code) => ({
      operation,
      id: operation.id,
      status,
      code,
    })),
  ),
);

/** The error codes in a schema, or `none` if it is not the schema of a failure. */
function codesIn(schema: Schema = {}): string[] {
  const resolved =
    '$ref' in schema ? document.components.schemas[String(schema.$ref).replace(/.*\//, '')] : schema;
  const found = JSON.stringify(resolved).matchAll(/"code":\{"const":"(\w+)"\}/g);
  const codes = [...found].map(([, code = '']) => code);
  return codes.length > 0 ? codes : ['none'];
}

describe('the statuses of the document', () => {
  const started: Record<string, StartedService> = {};

  beforeAll(async () => {
    const service = await startService();
    Object.assign(started, {
      well: service,
      away: await startWithBackendAway(),
      foreign: await startWithForeignBackend(),
      outOfTime: await startOutOfTime(SAMPLE_TENANT, 'doc:'),
      limited: await startService({ TENANT_MAX_REQUESTS_PER_SECOND: '1', TENANT_REQUEST_BURST: '1' }),
    });
  });
  afterAll(async () => {
    for (const service of Object.values(started)) await service.stop();
  });

  const sendTo = (name: string, sent: Sent) => describedRequest((started[name] as StartedService).port, sent);
  const valid = (operation: Described) => acceptedRequests(operation)[0];

  /** Requests that provoke each error code, and each status without an error code. */
  const ways: Record<string, (operation: Described) => Promise<RawResponse>> = {
    '200': (operation) => sendTo('well', valid(operation)),
    '201': (operation) => sendTo('well', valid(operation)),
    '204': (operation) => sendTo('well', valid(operation)),
    '503': (operation) => sendTo('away', valid(operation)),
    VALIDATION_ERROR: (operation) => sendTo('well', withHeader(valid(operation), 'X-Tenant-ID', '*')),
    MISSING_TENANT_ID: (operation) => sendTo('well', withHeader(valid(operation), 'X-Tenant-ID')),
    TENANT_MISMATCH: (operation) => {
      const forbidden = examplesOf(operation).find(({ response }) => response.status === 403);
      if (!forbidden) throw new Error(`No example of ${operation.id} has another tenant`);
      return sendTo('well', requestOf(forbidden));
    },
    NOT_FOUND: (operation) => sendTo('well', { ...valid(operation), target: `${API}/a%2Fb` }),
    PAYLOAD_TOO_LARGE: (operation) => tooLarge(operation, valid(operation), (sent) => sendTo('well', sent)),
    UNSUPPORTED_MEDIA_TYPE: (operation) =>
      sendTo('well', withHeader(valid(operation), 'Content-Type', 'text/plain')),
    LEASE_LOST: (operation) => {
      const lost = examplesOf(operation).find(({ response }) => response.status === 409);
      if (!lost) throw new Error(`No example of ${operation.id} has a lease that has ended`);
      return sendTo('well', requestOf(lost));
    },
    TENANT_RATE_LIMITED: async (operation) => {
      // On a busy machine, each request may come a second after the one before.
      for (;;) {
        const answer = await sendTo('limited', valid(operation));
        if (answer.status === 429) return answer;
      }
    },
    INTERNAL_SERVER_ERROR: (operation) => sendTo('foreign', valid(operation)),
    BACKEND_UNAVAILABLE: (operation) => sendTo('away', valid(operation)),
    INVALIDATION_INCOMPLETE: (operation) => sendTo('outOfTime', valid(operation)),
  };

  test.each(documented)(
    'are returned by the service: $id, $status, $code',
    async ({ operation, status, code }) => {
      const way = ways[code === 'none' ? status : code];
      if (!way) throw new Error('Nothing is known that leads to it');
      const answer = await way(operation);
      expect(answer.status, answer.text.slice(0, 1000)).toBe(status);
      if (code !== 'none') expect(answer.json()).toMatchObject({ error: { code } });
      strikeOut(operation, answer);
    },
  );

  test('are more than four per operation', () => {
    expect(documented.length).toBeGreaterThan(operations.length * 4);
  });
});

test('a service has returned every response example', () => {
  expect([...unseen]).toEqual([]);
});

describe('a service with TENANT_CLAIM', () => {
  const described = openApiDocument(readConfig({ TENANT_CLAIM: 'tenant_id' }));
  const forbidding = operationsOf(described).filter(({ answers }) => answers.has(403));
  let service: StartedService;

  beforeAll(async () => {
    service = await startWithTokens(SAMPLE_TENANT);
  });
  afterAll(() => service.stop());

  test('rejects the X-Tenant-ID of another tenant with 403, for every operation of a tenant', async () => {
    expect(forbidding.length).toBe(operations.filter(({ answers }) => answers.has(401)).length);
    for (const operation of forbidding) {
      const [sent] = acceptedRequests(operation);
      const { status } = await rawRequest(service.port, withHeader(sent, 'X-Tenant-ID', 'somebody_else'));
      expect(status, operation.id).toBe(403);
    }
  });

  test('requires no X-Tenant-ID, which the document does not mark as required', async () => {
    expect(described.components.parameters.Tenant).not.toHaveProperty('required');
    for (const operation of forbidding) {
      const [sent] = acceptedRequests(operation);
      const { status } = await rawRequest(service.port, withHeader(sent, 'X-Tenant-ID'));
      expect([200, 201, 204], operation.id).toContain(status);
    }
  });
});
