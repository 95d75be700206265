import { afterAll, beforeAll, describe, expect, inject } from 'vitest';
import { newTenant, serviceBackends } from '../conformance/backends.ts';
import { requireDescribed } from '../openapi/conformity.ts';
import { type RawRequest, type RawResponse, rawRequest } from './gateway-raw.ts';
import { type Environment, type Service, startService } from './service.ts';

export const API = '/api/v1/cache';

export const UUID_V4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A caller of the service that sends its tenant with every request. */
export class Client {
  readonly port: number;
  readonly tenant: string;

  constructor({ port }: { port: number }, tenant = newTenant()) {
    this.port = port;
    this.tenant = tenant;
  }

  /**
   * Sends a request with the header of its tenant and, if it has a body, with the Content-Type of JSON. The request's own
   * headers take precedence.
   *
   * @throws Error when the answer is not as the OpenAPI document describes it
   */
  async send({ headers = [], ...request }: RawRequest): Promise<RawResponse> {
    const all = [...headers];
    const add = (name: string, value: string) => {
      if (!headers.some((given, index) => index % 2 === 0 && given.toLowerCase() === name.toLowerCase())) {
        all.push(name, value);
      }
    };
    add('X-Tenant-ID', this.tenant);
    if (request.body !== undefined) add('Content-Type', 'application/json');
    return describedRequest(this.port, { ...request, headers: all });
  }

  /** Sends a set with this body. */
  post(body: string | Buffer, headers: string[] = []): Promise<RawResponse> {
    return this.send({ method: 'POST', target: API, headers, body });
  }

  /** Sends a set. The value is a JSON text, which is sent unchanged. */
  set(key: string, value: string, ttl?: number): Promise<RawResponse> {
    const last = ttl === undefined ? '' : `,"ttl":${ttl}`;
    return this.post(`{"key":${JSON.stringify(key)},"value":${value}${last}}`);
  }

  get(key: string): Promise<RawResponse> {
    return this.send({ target: byQuery(key) });
  }

  delete(key: string): Promise<RawResponse> {
    return this.send({ method: 'DELETE', target: byQuery(key) });
  }

  invalidate(body: string | object = {}): Promise<RawResponse> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.send({ method: 'POST', target: `${API}/invalidate`, body: text });
  }

  clear(tenant = this.tenant): Promise<RawResponse> {
    return this.send({ method: 'DELETE', target: `${API}/tenant/${tenant}` });
  }

  async holds(key: string): Promise<boolean> {
    return dataOf(await this.get(key), 200).found === true;
  }

  /** The given keys for which the tenant has an entry. */
  async held(keys: string[]): Promise<string[]> {
    const found = await Promise.all(keys.map((key) => this.holds(key)));
    return keys.filter((_, index) => found[index]);
  }
}

/**
 * Sends a request to the service without adding headers.
 *
 * @throws Error when the answer is not as the OpenAPI document describes it
 */
export async function describedRequest(port: number, request: RawRequest): Promise<RawResponse> {
  const answer = await rawRequest(port, request);
  requireDescribed(request, answer);
  return answer;
}

/** The request target with the key in the query. */
export function byQuery(key: string): string {
  return `${API}?key=${encodeURIComponent(key)}`;
}

/**
 * Declares a suite for each of `backends`. Its tests call a service that runs in a process of its own: without settings the one
 * that all test files share, otherwise one for the suite. `connect` returns a client of the service with a new tenant.
 */
export function describeOnBackends(
  name: string,
  env: Environment,
  suite: (connect: (tenant?: string) => Client) => void,
  backends = serviceBackends,
): void {
  describe.each(backends)(`${name} ($name)`, ({ url }) => {
    let service: Pick<Service, 'port'>;
    let own: Service | undefined;
    beforeAll(async () => {
      const shared = inject('services').find((each) => each.backendUrl === url);
      own =
        shared && Object.keys(env).length === 0
          ? undefined
          : await startService(url === undefined ? env : { ...env, DRAGONFLY_URL: url });
      service = own ?? (shared as Pick<Service, 'port'>);
    });
    afterAll(() => own?.stop());
    suite((tenant) => new Client(service, tenant));
  });
}

/** The data of a successful response. Expects the status and exactly the members of the contract's envelope. */
export function dataOf(answer: RawResponse, status: 200 | 201): Record<string, unknown> {
  const { data, message, metadata, ...rest } = envelope(answer, status);
  expect(rest.success).toBe(true);
  expect(Object.keys(rest).sort()).toEqual(['correlation_id', 'request_id', 'success', 'timestamp']);
  expect(message === null || typeof message === 'string').toBe(true);
  expect(metadata).toEqual({});
  return data as Record<string, unknown>;
}

/** The details of a failure. Expects the status, the code and exactly the members of the contract's envelope. */
export function detailsOf(answer: RawResponse, status: number, code: string): Record<string, unknown> {
  const { error, ...rest } = envelope(answer, status);
  expect(rest.success).toBe(false);
  expect(Object.keys(rest).sort()).toEqual(['correlation_id', 'request_id', 'success', 'timestamp']);
  const { details, ...described } = error as Record<string, unknown>;
  expect(described).toEqual({ code, message: expect.stringMatching(/./) });
  expect(details).toBeTypeOf('object');
  return details as Record<string, unknown>;
}

/** Expects a 400 with issues for exactly these fields, in any order. */
export function expectInvalid(answer: RawResponse, ...fields: string[]): void {
  const { issues } = detailsOf(answer, 400, 'VALIDATION_ERROR') as {
    issues: { field: string; message: string }[];
  };
  expect(issues.map(({ field }) => field).sort()).toEqual(fields.sort());
  for (const { message } of issues) expect(message).toMatch(/./);
  const [first] = issues;
  expect(answer.json()).toMatchObject({ error: { message: `${first?.field} ${first?.message}` } });
}

/** Expects a 204, which has no body. */
export function expectNoContent(answer: RawResponse): void {
  expect([answer.status, answer.text]).toEqual([204, '']);
  expect(answer.headers).not.toHaveProperty('content-type');
}

/** The JSON text of the value in the response to a get: `length` characters, or more if the value is longer. */
export function valueText({ text }: RawResponse, length: number): string {
  // Inside a string these quotes would be escaped.
  const value = text.slice(text.indexOf('"value":') + '"value":'.length).trimStart();
  return /^\s*[,}]/.test(value.slice(length, length + 10)) ? value.slice(0, length) : value;
}

/** The envelope of a response, after the checks that are common to all responses. */
function envelope(answer: RawResponse, status: number): Record<string, unknown> {
  expect(answer.status, answer.text.slice(0, 1000)).toBe(status);
  expect(answer.headers['content-type']).toMatch(/^application\/json(;|$)/);
  const members = answer.json() as Record<string, unknown>;
  expect(members.correlation_id).toBe(answer.headers['x-correlation-id']);
  expect(members.request_id).toBe(answer.headers['x-request-id']);
  expect(members.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  expect(Math.abs(Date.parse(members.timestamp as string) - Date.now())).toBeLessThan(60_000);
  return members;
}
