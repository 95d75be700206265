import type { RequestContext } from '../request-context.ts';
import { isoNow } from '../time.ts';

/** A change that the backend has taken. */
export type Change =
  | { type: 'set' | 'deleted'; key: string }
  | { type: 'invalidated'; pattern: string; count: number }
  | { type: 'cleared'; count: number };

/** Where changes are published. */
export interface Events {
  /** Returns at once and never throws. */
  publish(request: Pick<RequestContext, 'tenant' | 'correlationId'>, change: Change): void;
  /** Waits, for a few milliseconds at most, until what was published has been sent. Never rejects. */
  flush(): Promise<void>;
}

/** Events are off. */
export const noEvents: Events = { publish() {}, async flush() {} };

/** The subject of a tenant's events. A dot would end a token of the subject; no other character has to be encoded. */
export function subjectOf(tenant: string): string {
  return `cache.events.${tenant.replaceAll('.', '%2E')}`;
}

/** A change as subscribers receive it: the UTF-8 of one JSON object. */
export function encodeEvent(
  { tenant, correlationId }: Pick<RequestContext, 'tenant' | 'correlationId'>,
  { type, ...what }: Change,
): Uint8Array {
  return Buffer.from(
    JSON.stringify({
      event_type: `cache.${type}`,
      tenant_id: tenant,
      ...what,
      correlation_id: correlationId,
      timestamp: isoNow(),
    }),
  );
}
