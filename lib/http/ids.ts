import { randomUUID } from 'node:crypto';

/** The two identifiers that every answer carries, in its body and as headers. */
export interface RequestIds {
  /** One per chain of calls, handed on from service to service. */
  correlationId: string;
  /** One per request. */
  requestId: string;
}

/** Header names in lower case, as API Gateway delivers them. */
export type Headers = Readonly<Record<string, string | undefined>>;

// Visible ASCII only: whatever is echoed must be harmless in a header and in a log line.
const ACCEPTED = /^[\x21-\x7e]{1,128}$/;

/** The caller's identifiers; a UUID v4 in place of one that is absent, too long or not visible ASCII. */
export function requestIds(headers: Headers): RequestIds {
  return {
    correlationId: accepted(headers['x-correlation-id']) ?? randomUUID(),
    requestId: accepted(headers['x-request-id']) ?? randomUUID(),
  };
}

function accepted(given: string | undefined): string | undefined {
  return typeof given === 'string' && ACCEPTED.test(given) ? given : undefined;
}
