import { API, type Client, dataOf } from './client.ts';
import type { RawResponse } from './gateway-raw.ts';

export type BatchKind = 'get' | 'set' | 'delete';

/** Sends a batch with this body. */
export function batch(client: Client, kind: BatchKind, body: string | Buffer): Promise<RawResponse> {
  return client.send({ method: 'POST', target: `${API}/batch/${kind}`, body });
}

/** Sends a batch of sets. Values are JSON texts, which are sent unchanged. */
export function setBatch(
  client: Client,
  items: (readonly [key: string, value: string, ttl?: number])[],
): Promise<RawResponse> {
  const texts = items.map(([key, value, ttl]) => {
    const last = ttl === undefined ? '' : `,"ttl":${ttl}`;
    return `{"key":${JSON.stringify(key)},"value":${value}${last}}`;
  });
  return batch(client, 'set', `{"items":[${texts}]}`);
}

/** The items in a successful response. */
export function itemsIn(answer: RawResponse, status: 200 | 201 = answer.status as 200 | 201): unknown[] {
  return dataOf(answer, status).items as unknown[];
}

/** The body of a batch of gets or deletes. */
export const keysBody = (keys: string[]) => JSON.stringify({ keys });
