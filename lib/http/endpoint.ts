import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { requests } from '../observability/channels.ts';
import { flushAll } from '../observability/flush.ts';
import type { Operation } from '../routes.ts';
import { config } from '../settings.ts';
import { answering } from './answering.ts';
import type { Answer, HttpResponse } from './envelope.ts';
import { type CacheEvent, deadlineOf, type Middleware } from './event.ts';
import { identifying } from './tenant.ts';

/** What an endpoint gets to work with: a request whose every part has been checked. */
export interface Call<Input> {
  tenant: string;
  input: Input;
  correlationId: string;
  /** Epoch milliseconds by which it must have stopped working. */
  deadline: number;
}

export interface EndpointOptions<Input> {
  operation: Operation;
  /** False for an endpoint that needs no tenant. */
  tenant?: false;
  /** What reads its body, see `jsonBody`. */
  body?: Middleware[];
  /** Reads and checks what the endpoint needs of the request; throws a `ServiceError` when it is not of its form. */
  input: (event: CacheEvent) => Input;
}

/** A function as Lambda calls it. */
export type LambdaHandler = (event: unknown, context: Context) => Promise<HttpResponse>;

/**
 * Makes a Lambda function of an endpoint: identifiers, tenant, body and input are read and checked, in this order, before
 * `run` is called; its answer, or whatever it throws, becomes the contract's envelope and one line in the log.
 */
export function endpoint<Input>(
  { operation, tenant, body, input }: EndpointOptions<Input>,
  run: (call: Call<Input>) => Promise<Answer>,
): LambdaHandler {
  const call = (event: CacheEvent, context: Context): Promise<Answer> =>
    run({
      tenant: event.tenant,
      input: input(event),
      correlationId: event.ids.correlationId,
      deadline: deadlineOf(context),
    });

  // No early timeout: every operation has a deadline of its own, and one cut off here would leave commands behind whose
  // timers kill a healthy connection after the next thaw.
  const stack = middy({ timeoutEarlyInMillis: 0 }).use(answering(operation));
  if (tenant !== false) stack.use(identifying(config.tenantClaim));
  if (body) stack.use(body);
  // middy types the answer of a handler and of its middleware as one; here the middleware turns one into the other.
  return watched(operation, stack.handler(call as never) as unknown as LambdaHandler);
}

/** Lets those who listen follow each request, and send what they hold back before it is answered. */
function watched(operation: Operation, handler: LambdaHandler): LambdaHandler {
  return async (given, context) => {
    // Whoever may invoke a function may hand it anything.
    const event = typeof given === 'object' && given !== null ? given : {};
    const trace = { operation, event: event as CacheEvent, context };
    const response = await requests.tracePromise(handler, trace, undefined, event, context);
    await flushAll();
    return response;
  };
}
