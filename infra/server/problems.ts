import type { IncomingHttpHeaders } from 'node:http';
import { PayloadTooLargeError, type ServiceError, ValidationError } from '../../lib/errors.ts';
import { requestIds } from '../../lib/http/request.ts';
import { failureResponse } from '../../lib/http/response.ts';
import type { Result } from './response.ts';

/** API Gateway's limits, in bytes: the request line and the headers together, and the body. */
export const MAX_HEAD_BYTES = 10_240;
export const MAX_BODY_BYTES = 10 * 1024 ** 2;

/** A response of the server itself to a request that reaches no function. */
export interface Problem {
  status: number;
  error: ServiceError;
}

export const MALFORMED: Problem = invalid(400, 'request', 'must be well-formed HTTP/1.1');
export const NO_HOST: Problem = invalid(400, 'Host', 'is required');
export const UNREADABLE_PATH: Problem = invalid(400, 'path', 'must be percent-encoded UTF-8');
const UNENCODED_URL: Problem = invalid(400, 'request', 'must have a percent-encoded URL');
const TOO_SLOW: Problem = invalid(408, 'request', 'did not arrive completely in time');
export const HEAD_TOO_LARGE: Problem = invalid(
  431,
  'headers',
  `must be at most ${MAX_HEAD_BYTES} bytes together with the request line`,
);
export const BODY_TOO_LARGE: Problem = {
  status: 413,
  error: new PayloadTooLargeError('body', MAX_BODY_BYTES),
};

/** The problem for an error of Node's HTTP parser. */
export function problemOf({ code }: NodeJS.ErrnoException): Problem {
  if (code === 'HPE_HEADER_OVERFLOW') return HEAD_TOO_LARGE;
  // Common with curl, which sends other scripts than Latin unencoded.
  if (code === 'HPE_INVALID_URL') return UNENCODED_URL;
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return TOO_SLOW;
  return MALFORMED;
}

/** A response in the service's envelope. @param headers of the request, if they could be read */
export function problemResult({ status, error }: Problem, headers: IncomingHttpHeaders = {}): Result {
  const ids = requestIds(headers as Record<string, string | undefined>);
  return { ...failureResponse(error, ids), statusCode: status };
}

function invalid(status: number, field: string, message: string): Problem {
  return { status, error: new ValidationError([{ field, message }]) };
}
