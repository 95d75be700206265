import type { RequestContext } from '../request-context.ts';
import { isoNow } from '../time.ts';

/** A change that the backend has applied. */
export type Change =
  | { type: 'set' | 'deleted'; key: string }
  | { type: 'invalidated'; pattern: string; count: number }
  | { type: 'invalidated'; tags: string[]; count: number }
  | { type: 'cleared'; count: number };

/** Publishes changes. */
export interface Events {
  /** Returns at once and never throws. */
  publish(request: Pick<RequestContext, 'tenant' | 'correlationId'>, change: Change): void;
  /** Waits until the broker has confirmed all published events, for at most 20 ms. Never rejects. */
  flush(): Promise<void>;
}

/** Used if events are disabled: publishes nothing. */
export const noEvents: Events = { publish() {}, async flush() {} };

/** The subject of a tenant's events. Dots are encoded, since they separate tokens. A tenant's other characters are valid in a token. */
export function subjectOf(tenant: string): string {
  return `cache.events.${tenant.replaceAll('.', '%2E')}`;
}

/** Encodes a change as subscribers receive it: one JSON object in UTF-8. */
export function encodeEvent(
  { tenant, correlationId }: Pick<RequestContext, 'tenant' | 'correlationId'>,
  { type, ...details }: Change,
): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      event_type: `cache.${type}`,
      tenant_id: tenant,
      ...details,
      correlation_id: correlationId,
      timestamp: isoNow(),
    }),
  );
}
