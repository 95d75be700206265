import type { Limits } from '../limits.ts';
import { batchExchanges } from './batches.ts';
import { entryExchanges } from './entries.ts';
import type { Exchange } from './exchange.ts';
import { tenantExchanges } from './tenant.ts';

export type { Exchange };

/**
 * The examples of the document as one session: sent in this order, in the name of a tenant without entries, each request is
 * answered as it says, but for identifiers, times and what depends on the backend.
 */
export function session(limits: Limits): Exchange[] {
  return [...entryExchanges(limits), ...batchExchanges(limits), ...tenantExchanges(limits)];
}
