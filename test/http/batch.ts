import { API, type Client, dataOf } from './client.ts';
import type { RawResponse } from './gateway-raw.ts';

export type BatchKind = 'get' | 'set' | 'delete';

/** A batch whose whole body is given. */
export function batch(client: Client, kind: BatchKind, body: string | Buffer): Promise<RawResponse> {
  return client.send({ method: 'POST', target: `${API}/batch/${kind}`, body });
}

/** A batch of sets, of values that are given as JSON text, which goes out as it is. */
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

/** The items of a success. */
export function itemsIn(answer: RawResponse, status: 200 | 201 = answer.status as 200 | 201): unknown[] {
  return dataOf(answer, status).items as unknown[];
}

/** The body of a batch that names keys. */
export const keysBody = (keys: string[]) => JSON.stringify({ keys });
