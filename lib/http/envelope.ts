import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import type { ServiceError } from '../errors.ts';
import { toJson } from '../json/raw.ts';
import { isoNow } from '../time.ts';
import type { RequestIds } from './ids.ts';

/** What an endpoint answers, before it becomes an HTTP response. */
export type Answer =
  /** `data` inside the contract's success envelope. */
  | { status: 200 | 201; data: unknown; message?: string; facts?: Facts; counts?: Counts }
  /** No body at all. */
  | { status: 204; facts?: Facts; counts?: Counts }
  /** A document of its own, without the envelope. */
  | { status: 200 | 503; document: unknown };

/** What a successful request adds to counters that the log line does not show. */
export interface Counts {
  /** Keys that it set. */
  sets?: number;
  /** Keys that it was asked to delete, found or not. */
  deletes?: number;
}

/** What the log and the metrics tell of a request beside what they tell of all. */
export interface Facts {
  /** Of one that failed: the code of the failure. */
  code?: string;
  /** Of a get: whether it was a hit. */
  found?: boolean;
  /** Of an invalidation, a clear or a batch of deletes: the live entries that went. */
  count?: number;
  /** Of a batch of gets: how many were hits, and how many were not. */
  hits?: number;
  misses?: number;
  /** Of a batch of sets or deletes: how many keys it named. */
  keys?: number;
  /** Of gets and sets: the JSON text of the values, all of a batch's together, in bytes of UTF-8. */
  bytes?: number | undefined;
}

/** An HTTP response in the form that API Gateway takes from a function. */
export type HttpResponse = APIGatewayProxyStructuredResultV2 & {
  statusCode: number;
  headers: Record<string, string>;
};

/** The HTTP response for an answer. */
export function success(answer: Answer, ids: RequestIds): HttpResponse {
  if (answer.status === 204) return { statusCode: 204, headers: headers(ids) };
  const body =
    'document' in answer
      ? toJson(answer.document)
      : `{"success":true,"data":${toJson(answer.data)},"message":${JSON.stringify(answer.message ?? null)},${trailer(ids)},"metadata":{}}`;
  return { statusCode: answer.status, headers: jsonHeaders(ids), body };
}

/** The HTTP response for a failure: the contract's failure envelope. */
export function failure(error: ServiceError, ids: RequestIds): HttpResponse {
  const { code, message, details } = error;
  return {
    statusCode: error.status,
    headers: { ...jsonHeaders(ids), ...error.headers },
    body: `{"success":false,"error":${toJson({ code, message, details })},${trailer(ids)}}`,
  };
}

function trailer(ids: RequestIds): string {
  return `"correlation_id":${JSON.stringify(ids.correlationId)},"request_id":${JSON.stringify(ids.requestId)},"timestamp":"${isoNow()}"`;
}

function headers(ids: RequestIds): Record<string, string> {
  return {
    'x-correlation-id': ids.correlationId,
    'x-request-id': ids.requestId,
    // An answer kept by anything in between would outlive the next invalidation.
    'cache-control': 'no-store',
  };
}

function jsonHeaders(ids: RequestIds): Record<string, string> {
  return { 'content-type': 'application/json', ...headers(ids) };
}
