import { InternalError, ServiceError } from '../errors.ts';
import type { Operation } from '../routes.ts';
import { log } from '../settings.ts';
import { type Answer, failure, success } from './envelope.ts';
import type { Middleware } from './event.ts';
import { requestIds } from './ids.ts';

/** Outermost: gives the request its identifiers, and turns what comes back, answer or error, into HTTP. */
export function answering(operation: Operation): Middleware {
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
      event.facts = 'facts' in answer ? answer.facts : undefined;
      event.counts = 'counts' in answer ? answer.counts : undefined;
      request.response = success(answer, event.ids);
    },
    onError: (request) => {
      const { event } = request;
      const error = request.error instanceof ServiceError ? request.error : new InternalError(request.error);
      if (error.status >= 500) {
        log.error(error.code, { operation, correlation_id: event.ids.correlationId, cause: error.cause });
      }
      // Also of an invalidation that ran out of time: what it has removed is gone.
      const { count } = error.details;
      event.facts = { code: error.code, ...(typeof count === 'number' && { count }) };
      request.response = failure(error, event.ids);
    },
  };
}
