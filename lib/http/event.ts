import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { Answer, Counts, Facts, HttpResponse } from './envelope.ts';
import type { RequestIds } from './ids.ts';

/** An API Gateway event (payload format 2.0) and what the middleware has learned from it. */
export type CacheEvent = Omit<APIGatewayProxyEventV2, 'body'> & {
  /** Text as it came; after the body parser, plain data. */
  body?: unknown;
  ids: RequestIds;
  /** The tenant in whose name the request is made. Empty for endpoints that need none. */
  tenant: string;
  /** JSON texts that were lifted out of the body, see `liftMember`. */
  lifted: string[];
  /** When the request came in, on the clock of `performance.now()`. */
  startedAt: number;
  /** What its answer tells, once there is one that tells any. */
  facts?: Facts | undefined;
  /** The counters that its answer adds to. */
  counts?: Counts | undefined;
};

/** What works on a request before its endpoint does, or on the answer after it. */
export type Middleware = MiddlewareObj<CacheEvent, Answer | HttpResponse>;

/** What API Gateway gives a function to answer, in milliseconds, where nobody tells the time that is left. */
const GATEWAY_TIMEOUT_MS = 30_000;

/** Kept back from the time that is left, in milliseconds: what is under way may take this long to fail, and then to answer. */
const ANSWER_MARGIN_MS = 1000;

/** Epoch milliseconds by which work for this request must have stopped. */
export function deadlineOf(context: Partial<Context> | undefined): number {
  const left = context?.getRemainingTimeInMillis?.() ?? GATEWAY_TIMEOUT_MS;
  return Date.now() + Math.max(0, Math.min(left, GATEWAY_TIMEOUT_MS) - ANSWER_MARGIN_MS);
}
