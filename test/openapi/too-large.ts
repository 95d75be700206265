import { MAX_BATCH_BYTES, MAX_BATCH_REST_BYTES } from '../../lib/http/schemas.ts';
import { API } from '../http/client.ts';
import type { RawResponse } from '../http/gateway-raw.ts';
import type { Described } from './described.ts';
import type { Sent } from './requests.ts';

type Send = (sent: Sent) => Promise<RawResponse>;

/** A JSON string of `bytes` bytes. */
const text = (bytes: number) => JSON.stringify('x'.repeat(bytes - 2));

/** A value that fits into a batch once, but not twice. */
const MORE_THAN_HALF = text(Math.ceil(MAX_BATCH_BYTES * 0.6));
const items = ['large:1', 'large:2'].map((key) => `{"key":"${key}","value":${MORE_THAN_HALF}}`);

/** By operation id: sends a request that is too large, and returns the response. */
const requests: Record<string, (sent: Sent, send: Send) => Promise<RawResponse>> = {
  setEntry: (sent, send) => send({ ...sent, body: `{"key":"k","value":${text(MAX_BATCH_BYTES + 1)}}` }),
  leaseEntry: (sent, send) => send({ ...sent, body: `{"key":${text(64 * 1024)}}` }),
  releaseLease: (sent, send) => send({ ...sent, body: `{"key":${text(64 * 1024)}}` }),
  touchEntry: (sent, send) => send({ ...sent, body: `{"key":${text(64 * 1024)}}` }),
  invalidateEntries: (sent, send) => send({ ...sent, body: `{"pattern":${text(64 * 1024)}}` }),
  setBatch: (sent, send) => send({ ...sent, body: `{"items":[${items}]}` }),
  deleteBatch: (sent, send) => send({ ...sent, body: `{"keys":[${text(MAX_BATCH_REST_BYTES)}]}` }),
  getBatch: async (sent, send) => {
    for (const body of items) await send({ ...sent, target: API, body });
    return send({ ...sent, body: '{"keys":["large:1","large:2"]}' });
  },
};

/** Provokes a 413 of an operation. `sent` is an accepted request. */
export function tooLarge({ id }: Described, sent: Sent, send: Send): Promise<RawResponse> {
  const request = requests[id];
  if (!request) throw new Error(`Nothing is known that is too large for ${id}`);
  return request(sent, send);
}
