import middy from '@middy/core';
import jsonBodyParser from '@middy/http-json-body-parser';
import type { Context } from 'aws-lambda';
import { config } from '../settings.ts';
import type { Answer, HttpResponse } from './envelope.ts';
import { type CacheEvent, deadlineOf } from './event.ts';
import { answering, identifying, openingBody } from './middleware.ts';
import type { Operation } from './routes.ts';

/** What an endpoint gets to work with: a request whose every part has been checked. */
export interface Call<Input> {
  tenant: string;
  input: Input;
  /** Epoch milliseconds by which it must have stopped working. */
  deadline: number;
}

export interface EndpointOptions<Input> {
  operation: Operation;
  /** False for an endpoint that needs no tenant. */
  tenant?: false;
  /** Takes a JSON body; with `lift`, that member comes as verbatim text. */
  body?: { lift?: string };
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
    run({ tenant: event.tenant, input: input(event), deadline: deadlineOf(context) });

  // No early timeout: every operation has a deadline of its own, and one cut off here would leave commands behind whose
  // timers kill a healthy connection after the next thaw.
  const stack = middy({ timeoutEarlyInMillis: 0 }).use(answering(operation));
  if (tenant !== false) stack.use(identifying(config.tenantClaim));
  if (body) stack.use([openingBody(body.lift), jsonBodyParser({ disableContentTypeCheck: true })]);
  // middy types the answer of a handler and of its middleware as one; here the middleware turns one into the other.
  return stack.handler(call as never) as unknown as LambdaHandler;
}
