import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import type { RequestIds } from './ids.ts';
import type { JsonPiece } from './verbatim.ts';

/** An API Gateway event (payload format 2.0) and what the middleware has learned from it. */
export type CacheEvent = Omit<APIGatewayProxyEventV2, 'body'> & {
  /** Text as it came; after the body parser, plain data. */
  body?: unknown;
  ids: RequestIds;
  /** The tenant in whose name the request is made. Empty for endpoints that need none. */
  tenant: string;
  /** What was lifted out of the body, see `liftMember`. */
  lifted: JsonPiece[];
  /** When the request came in, on the clock of `performance.now()`. */
  startedAt: number;
};

/** What API Gateway gives a function to answer, in milliseconds, where nobody tells the time that is left. */
const GATEWAY_TIMEOUT_MS = 30_000;

/** Kept back from the time that is left, in milliseconds: what is under way may take this long to fail, and then to answer. */
const ANSWER_MARGIN_MS = 1000;

/** Epoch milliseconds by which work for this request must have stopped. */
export function deadlineOf(context: Partial<Context> | undefined): number {
  const left = context?.getRemainingTimeInMillis?.() ?? GATEWAY_TIMEOUT_MS;
  return Date.now() + Math.max(0, Math.min(left, GATEWAY_TIMEOUT_MS) - ANSWER_MARGIN_MS);
}
