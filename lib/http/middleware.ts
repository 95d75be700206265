import type { MiddlewareObj } from '@middy/core';
import type { APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda';
import {
  InternalError,
  MissingTenantError,
  PayloadTooLargeError,
  ServiceError,
  TenantMismatchError,
  UnsupportedMediaTypeError,
  ValidationError,
} from '../errors.ts';
import { log } from '../settings.ts';
import { type Answer, type Facts, failure, type HttpResponse, success } from './envelope.ts';
import type { CacheEvent } from './event.ts';
import { requestIds } from './ids.ts';
import { isJson } from './json-grammar.ts';
import type { Operation } from './routes.ts';
import { tenantSchema, validate } from './schemas.ts';
import { liftMember } from './verbatim.ts';

type Middleware = MiddlewareObj<CacheEvent, Answer | HttpResponse>;

/** Outermost: gives the request its identifiers, and turns what comes back, answer or error, into HTTP and a log line. */
export function answering(operation: Operation): Middleware {
  const finish = (event: CacheEvent, response: HttpResponse, facts: Facts = {}): HttpResponse => {
    log.info('request', {
      operation,
      tenant: event.tenant || undefined,
      user: event.headers['x-user-id'],
      status: response.statusCode,
      ...facts,
      duration_ms: Math.round((performance.now() - event.startedAt) * 1000) / 1000,
      correlation_id: event.ids.correlationId,
      request_id: event.ids.requestId,
      // By which this line and the gateway's own about the same request find each other.
      gateway_request_id: event.requestContext?.requestId,
    });
    return response;
  };
  return {
    before: ({ event }) => {
      event.startedAt = performance.now();
      event.headers ??= {};
      event.ids = requestIds(event.headers);
      event.tenant = '';
      event.lifted = [];
    },
    after: (request) => {
      const { event } = request;
      const answer = request.response as Answer;
      request.response = finish(
        event,
        success(answer, event.ids),
        'facts' in answer ? answer.facts : undefined,
      );
    },
    onError: (request) => {
      const { event } = request;
      const error = asServiceError(request.error, event);
      if (error.status >= 500) {
        log.error(error.code, { operation, correlation_id: event.ids.correlationId, cause: error.cause });
      }
      request.response = finish(event, failure(error, event.ids));
    },
  };
}

/**
 * Whose request it is: the tenant that the header names, or, where callers bring a JWT, the one in its claim. Then the header
 * is not needed, and may not say anything else.
 */
export function identifying(tenantClaim: string | undefined): Middleware {
  return {
    before: ({ event }) => {
      const given = event.headers['x-tenant-id'];
      const claimed = tenantClaim === undefined ? given : claimOf(event, tenantClaim);
      if (!claimed) throw new MissingTenantError();
      if (given && given !== claimed) throw new TenantMismatchError();
      event.tenant = validate(tenantSchema, claimed, tenantClaim ?? 'X-Tenant-ID');
    },
  };
}

/** API Gateway has verified the token; without one there is no claim, and so no tenant. */
function claimOf({ requestContext }: CacheEvent, name: string): string | undefined {
  const claim = (requestContext as Partial<JwtContext>)?.authorizer?.jwt?.claims[name];
  return typeof claim === 'string' ? claim : undefined;
}

type JwtContext = APIGatewayProxyEventV2WithJWTAuthorizer['requestContext'];

/**
 * What a body may be, in bytes of text, beside what is lifted out of it. The longest key or pattern takes a tenth of this, and
 * a parser a hundred times as much memory as the text that it is given.
 */
const MAX_REST_BYTES = 64 * 1024;

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Turns the body into text that the JSON parser can take, without the member called `lift`. */
export function openingBody(lift: string | undefined): Middleware {
  return {
    before: ({ event }) => {
      if (!JSON_MEDIA_TYPE.test(event.headers['content-type'] ?? '')) throw new UnsupportedMediaTypeError();
      const text = bodyText(event);
      const { rest, taken } = lift === undefined ? { rest: text, taken: [] } : liftMember(text, lift);
      if (Buffer.byteLength(rest) > MAX_REST_BYTES) {
        if (!isJson(rest)) throw unreadable(rest);
        throw new PayloadTooLargeError(lift ? `body beside its ${lift}` : 'body', MAX_REST_BYTES);
      }
      event.body = rest;
      event.isBase64Encoded = false;
      event.lifted = taken;
    },
  };
}

/** @throws ValidationError when there is no body, or it is not UTF-8 */
function bodyText({ body, isBase64Encoded }: CacheEvent): string {
  if (typeof body !== 'string' || body === '') {
    throw new ValidationError([{ field: 'body', message: 'is required' }]);
  }
  try {
    const text = isBase64Encoded ? utf8.decode(Buffer.from(body, 'base64')) : body;
    if (text.isWellFormed()) return text;
  } catch {
    // Falls through to the same answer.
  }
  throw new ValidationError([{ field: 'body', message: 'must be UTF-8' }]);
}

/** The body parser throws errors of its own, which name their package as their cause. */
function asServiceError(error: unknown, { body }: CacheEvent): ServiceError {
  if (error instanceof ServiceError) return error;
  const cause = error instanceof Error ? error.cause : undefined;
  if ((cause as { package?: string } | undefined)?.package === '@middy/http-json-body-parser') {
    return unreadable(body, error);
  }
  return new InternalError(error);
}

/** The parser reads a body level by level, and refuses names by which objects have been attacked. */
function unreadable(body: unknown, cause?: unknown): ValidationError {
  const message = isJson(String(body))
    ? 'must not nest thousands of levels deep, nor name a member __proto__ or constructor.prototype'
    : 'must be valid JSON';
  return new ValidationError([{ field: 'body', message }], { cause });
}
