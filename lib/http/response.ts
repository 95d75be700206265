import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { ServiceError } from '../errors.ts';
import { JsonText, toJson } from '../json/raw.ts';
import type { Counters, LogFields, RequestContext } from '../request-context.ts';
import type { Hit, LeaseResult } from '../store/store.ts';
import { isoNow } from '../time.ts';

/** The two identifiers that every response carries, in its body and as headers. */
export type RequestIds = Pick<RequestContext, 'correlationId' | 'requestId'>;

/** The result of an endpoint, from which the HTTP response is made. */
export type Answer = { logFields?: LogFields; counters?: Counters } & (
  | { status: 200 | 201 /** Goes into the contract's success envelope. */; data: unknown }
  | { status: 204 }
  | { status: 200 | 503 /** A JSON document of its own, without the envelope. */; document: unknown }
);

/** An HTTP response in the form that API Gateway takes from a function. */
export type HttpResponse = APIGatewayProxyStructuredResultV2 & {
  statusCode: number;
  headers: Record<string, string>;
};

/** The HTTP response for an answer. The answer's log fields and counters are stored in the request's record. */
export function successResponse(answer: Answer, request: RequestContext): HttpResponse {
  request.logFields = answer.logFields ?? {};
  request.counters = answer.counters ?? {};
  if (answer.status === 204) return { statusCode: 204, headers: headers(request) };
  const body =
    'document' in answer
      ? toJson(answer.document)
      : `{"success":true,"data":${toJson(answer.data)},"message":null,${trailer(request)},"metadata":{}}`;
  return { statusCode: answer.status, headers: jsonHeaders(request), body };
}

/** The HTTP response for a failure: the contract's failure envelope. */
export function failureResponse(error: ServiceError, ids: RequestIds): HttpResponse {
  const { code, message, details } = error;
  return {
    statusCode: error.status,
    headers: { ...jsonHeaders(ids), ...error.headers },
    body: `{"success":false,"error":${toJson({ code, message, details })},${trailer(ids)}}`,
  };
}

/** Makes the response to HEAD from that to GET: with Content-Length and without the body. */
export function withoutBody(response: HttpResponse): HttpResponse {
  const { body, ...rest } = response;
  if (body === undefined) return response;
  return { ...rest, headers: { ...rest.headers, 'content-length': String(Buffer.byteLength(body)) } };
}

function trailer(ids: RequestIds): string {
  return `"correlation_id":${JSON.stringify(ids.correlationId)},"request_id":${JSON.stringify(ids.requestId)},"timestamp":"${isoNow()}"`;
}

function headers(ids: RequestIds): Record<string, string> {
  return {
    'x-correlation-id': ids.correlationId,
    'x-request-id': ids.requestId,
    // A response that a proxy stored would outlive the next invalidation.
    'cache-control': 'no-store',
  };
}

function jsonHeaders(ids: RequestIds): Record<string, string> {
  return { 'content-type': 'application/json', ...headers(ids) };
}

/**
 * What is left of the tenant's request rate. Source: draft-ietf-httpapi-ratelimit-headers-10, "RateLimit header fields for HTTP": `q` and
 * `w` are the quota and its window in seconds, `r` is what remains, `t` the seconds until the quota is full again.
 */
export function rateLimitHeaders({
  perSecond,
  burst,
  remaining,
  resetMs,
}: NonNullable<RequestContext['rate']>): Record<string, string> {
  // A quota is what its window restores. Windows are whole seconds.
  const windowSeconds = Math.max(1, Math.ceil(burst / perSecond));
  const quota = Math.max(burst, perSecond);
  return {
    'ratelimit-policy': `"tenant";q=${quota};w=${windowSeconds}`,
    ratelimit: `"tenant";r=${remaining};t=${Math.ceil(resetMs / 1000)}`,
  };
}

/** The data of a get for one key, alone or in a batch. Built as text, since it is the service's most frequent response. */
export function entryData(key: string, hit: Hit | undefined): JsonText {
  return new JsonText(`{${entryMembers(key, hit)}}`);
}

function entryMembers(key: string, hit: Hit | undefined): string {
  const name = JSON.stringify(key);
  return hit
    ? `"key":${name},"value":${hit.value},"found":true,"ttl":${hit.ttl}`
    : `"key":${name},"found":false`;
}

/** The data of a lease request for one key, alone or in a batch. */
export function leaseData(key: string, { hit, lease, retryAfterMs }: LeaseResult): JsonText {
  const stale = hit ? `,"stale":${hit.ttl === 0}` : '';
  const granted = lease ? `,"lease":{"token":"${lease.token}","ttl":${lease.ttlSeconds}}` : '';
  const retry = retryAfterMs === undefined ? '' : `,"retry_after_ms":${retryAfterMs}`;
  return new JsonText(`{${entryMembers(key, hit)}${stale}${granted}${retry}}`);
}

/**
 * The log fields and counters of lease requests. A key is a hit if it has a fresh value; a stale read; a wait, if another caller has the
 * lease on a key without a value; or else a miss.
 */
export function leaseCounts(results: readonly LeaseResult[]): { logFields: LogFields; counters: Counters } {
  const count = (matches: (result: LeaseResult) => unknown) => results.filter(matches).length;
  const hits = count(({ hit }) => hit && hit.ttl > 0);
  const staleReads = count(({ hit }) => hit && hit.ttl === 0);
  const leaseWaits = count(({ retryAfterMs }) => retryAfterMs !== undefined);
  // A key that a batch repeats has the same lease each time.
  const leasesGranted = new Set(results.flatMap(({ lease }) => lease?.token ?? [])).size;
  const bytes = results.reduce((sum, { hit }) => sum + (hit?.bytes ?? 0), 0);
  return {
    logFields: {
      ...(hits + staleReads > 0 && { bytes }),
      ...(leasesGranted > 0 && { leases_granted: leasesGranted }),
      ...(leaseWaits > 0 && { lease_waits: leaseWaits }),
      ...(staleReads > 0 && { stale_reads: staleReads }),
    },
    counters: {
      hits,
      misses: results.length - hits - staleReads - leaseWaits,
      leasesGranted,
      leaseWaits,
      staleReads,
    },
  };
}
