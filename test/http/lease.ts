import { expect } from 'vitest';
import { API, type Client, dataOf } from './client.ts';
import type { RawResponse } from './gateway-raw.ts';
import { pageOf } from './keys.ts';

/** A well-formed token that no lease has. */
export const UNKNOWN_TOKEN = 'AAAAAAAAAAA';

export const TOKEN = /^[A-Za-z0-9_-]{11}$/;

/** Sends a lease request with this body. */
export const sendLease = (client: Client, body: string | object): Promise<RawResponse> =>
  client.send({
    method: 'POST',
    target: `${API}/lease`,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** Sends a release with this body. */
export const sendRelease = (client: Client, body: string | object): Promise<RawResponse> =>
  client.send({
    method: 'POST',
    target: `${API}/lease/release`,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** The data of a lease request for 300 seconds, so that no lease ends during a test on a busy machine. */
export async function lease(client: Client, key = 'k', seconds = 300): Promise<Record<string, unknown>> {
  return dataOf(await sendLease(client, { key, lease: seconds }), 200);
}

/** Requests a lease that must be granted. @returns its token */
export async function grantedToken(client: Client, key = 'k', seconds?: number): Promise<string> {
  const data = await lease(client, key, seconds);
  expect(data).toMatchObject({ lease: { token: expect.stringMatching(TOKEN) } });
  return (data.lease as { token: string }).token;
}

/** Sends a set with a lease. The value is a JSON text. */
export const fill = (client: Client, key: string, value: string, token: string): Promise<RawResponse> =>
  client.post(`{"key":${JSON.stringify(key)},"value":${value},"lease":"${token}"}`);

/** Sets a value with a grace, and waits until its TTL has passed. The value is a JSON text. */
export async function setStale(client: Client, key: string, value: string, grace = 1000): Promise<void> {
  dataOf(await client.post(`{"key":${JSON.stringify(key)},"value":${value},"ttl":1,"grace":${grace}}`), 201);
  await untilStale(client, key);
}

/**
 * Waits until a value is in its grace by the server's clock, which grants leases. By the upper bound of that clock, which a get uses, a value
 * may be stale some milliseconds earlier.
 */
export async function untilStale(client: Client, key: string): Promise<void> {
  await expect.poll(() => pageOf(client, { pattern: key })).toMatchObject({ keys: [{ key, stale: true }] });
}
