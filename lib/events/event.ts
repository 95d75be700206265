import type { ChangeMessage } from '../observability/channels.ts';
import { isoNow } from '../time.ts';

/** The subject of a tenant's events. A dot would end the subject's token, and is the only character that has to be told otherwise. */
export function subjectOf(tenant: string): string {
  return `cache.events.${tenant.replaceAll('.', '%2E')}`;
}

/** A change as subscribers get it: UTF-8 of one JSON object. */
export function encodeEvent({ tenant, correlationId, change }: ChangeMessage): Uint8Array {
  const { type, ...what } = change;
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
