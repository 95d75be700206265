import { Agent, request as httpRequest } from 'node:http';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { Operation } from '../../../lib/routes.ts';
import { type ApiRequest, eventFor } from '../../bundles/events.ts';
import type { LambdaFunction } from '../../bundles/lambda.ts';
import { tagOf } from './history.ts';

/** A request to the service. */
export type Call = { tenant: string } & (
  | { operation: 'get' | 'delete'; key: string }
  | { operation: 'touch'; key: string; ttlSeconds: number }
  | { operation: 'set'; key: string; value: string; ttlSeconds: number }
  | { operation: 'lease'; key: string; leaseSeconds: number }
  | {
      /** A set with a lease. */
      operation: 'fill';
      key: string;
      value: string;
      ttlSeconds: number;
      graceSeconds: number;
      token: string;
    }
  | { operation: 'invalidate'; pattern: string }
  | { operation: 'untag'; tag: string }
  | { operation: 'clear' }
);

export interface HttpResponse {
  status: number;
  text: string;
}

/** Sends requests to the service. @throws Error if no response arrives */
export interface Caller {
  ask(call: Call): Promise<HttpResponse>;
  /** Closes its connections. The service keeps running. */
  close(): void;
}

const API = '/api/v1/cache';

/** Timeout of a request, in milliseconds. Longer than any response may take. */
const TIMEOUT_MS = 35_000;

/** A caller that uses HTTP and keep-alive connections to a service on loopback. */
export function httpCaller(port: number): Caller {
  const agent = new Agent({ keepAlive: true });
  return {
    ask(call) {
      const { method, target, body } = httpRequestOf(call);
      return new Promise<HttpResponse>((resolve, reject) => {
        const headers: Record<string, string> = { 'X-Tenant-ID': call.tenant };
        if (body !== undefined) {
          headers['Content-Type'] = 'application/json';
          headers['Content-Length'] = String(Buffer.byteLength(body));
        }
        const sent = httpRequest({ host: '127.0.0.1', port, method, path: target, headers, agent });
        sent.setTimeout(TIMEOUT_MS, () => sent.destroy(new Error('no response')));
        sent.on('error', reject);
        sent.on('response', (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        });
        sent.end(body);
      });
    },
    close: () => agent.destroy(),
  };
}

function httpRequestOf(call: Call): { method: string; target: string; body?: string } {
  switch (call.operation) {
    case 'get':
      return { method: 'GET', target: `${API}?key=${encodeURIComponent(call.key)}` };
    case 'delete':
      return { method: 'DELETE', target: `${API}?key=${encodeURIComponent(call.key)}` };
    case 'set':
      return { method: 'POST', target: API, body: bodyOfSet(call) };
    case 'fill':
      return { method: 'POST', target: API, body: bodyOfFill(call) };
    case 'lease':
      return { method: 'POST', target: `${API}/lease`, body: bodyOfLease(call) };
    case 'touch':
      return { method: 'POST', target: `${API}/touch`, body: bodyOfTouch(call) };
    case 'invalidate':
      return { method: 'POST', target: `${API}/invalidate`, body: JSON.stringify({ pattern: call.pattern }) };
    case 'untag':
      return { method: 'POST', target: `${API}/invalidate`, body: JSON.stringify({ tags: [call.tag] }) };
    case 'clear':
      return { method: 'DELETE', target: `${API}/tenant/${call.tenant}` };
  }
}

const bodyOfSet = ({ key, value, ttlSeconds }: { key: string; value: string; ttlSeconds: number }) =>
  `{"key":${JSON.stringify(key)},"value":${value},"ttl":${ttlSeconds},"tags":["${tagOf(key)}"]}`;

const bodyOfFill = (call: Call & { operation: 'fill' }) =>
  bodyOfSet(call).replace(/}$/, `,"grace":${call.graceSeconds},"lease":"${call.token}"}`);

const bodyOfLease = ({ key, leaseSeconds }: { key: string; leaseSeconds: number }) =>
  JSON.stringify({ key, lease: leaseSeconds, tags: [tagOf(key)] });

const bodyOfTouch = ({ key, ttlSeconds }: { key: string; ttlSeconds: number }) =>
  JSON.stringify({ key, ttl: ttlSeconds });

/** The functions that calls need, by operation. */
export type Functions = Partial<Record<Operation, LambdaFunction>>;

/**
 * A caller that invokes functions in sandboxes as API Gateway does. A sandbox handles one event at a time, so calls of the same
 * operation are queued.
 */
export function functionCaller(functions: Functions): Caller {
  const busy = new Map<Operation, Promise<unknown>>();
  return {
    async ask(call) {
      const [operation, event] = eventOf(call);
      const instance = functions[operation];
      if (!instance) throw new Error(`No function for ${operation}`);
      const turn = (busy.get(operation) ?? Promise.resolve()).then(async (): Promise<HttpResponse> => {
        const { statusCode, body } = await instance.invoke(event);
        return { status: statusCode ?? 0, text: body ?? '' };
      });
      busy.set(
        operation,
        turn.catch(() => {}),
      );
      return turn;
    },
    close() {},
  };
}

/** Returns the function for a call, and the event to invoke it with. */
export function eventOf(call: Call): [Operation, APIGatewayProxyEventV2] {
  const headers = { 'X-Tenant-ID': call.tenant };
  const event = (operation: Operation, request: ApiRequest): [Operation, APIGatewayProxyEventV2] => [
    operation,
    eventFor(operation, { headers, ...request }),
  ];
  switch (call.operation) {
    case 'get':
    case 'delete':
      return event(call.operation, { query: `key=${encodeURIComponent(call.key)}` });
    case 'set':
      return event('set', { body: bodyOfSet(call) });
    case 'fill':
      return event('set', { body: bodyOfFill(call) });
    case 'lease':
      return event('lease', { body: bodyOfLease(call) });
    case 'touch':
      return event('touch', { body: bodyOfTouch(call) });
    case 'invalidate':
      return event('invalidate', { body: { pattern: call.pattern } });
    case 'untag':
      return event('invalidate', { body: { tags: [call.tag] } });
    case 'clear':
      return event('clear-tenant', { parameters: { tenant_id: call.tenant } });
  }
}
