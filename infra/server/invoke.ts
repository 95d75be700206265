import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { FUNCTION_FAILED, type Result } from './response.ts';

/** What a function is told about its invocation. */
export type InvocationContext = Pick<Context, 'awsRequestId' | 'functionName' | 'getRemainingTimeInMillis'>;

/** A function, as it is invoked here. */
export type Handler = (event: APIGatewayProxyEventV2, context: InvocationContext) => Promise<Result>;

/** The functions, and who is told when one of them throws, which none should. */
export interface FunctionHost {
  /** By their routes' names. */
  handlers: ReadonlyMap<string, Handler>;
  onFault: (name: string, error: unknown) => void;
}

/** How long API Gateway waits for a function, in milliseconds. */
const FUNCTION_TIMEOUT_MS = 30_000;

/**
 * Makes what invokes a function and hands its answer to `answer`. When the function throws, or `answer` throws because it can
 * do nothing with what came, `answer` gets what API Gateway says in such a case.
 */
export function createInvoker({ handlers, onFault }: FunctionHost) {
  return (name: string, event: APIGatewayProxyEventV2, answer: (result: Result) => Promise<void>): void => {
    const { requestId, timeEpoch } = event.requestContext;
    const deadline = timeEpoch + FUNCTION_TIMEOUT_MS;
    const context: InvocationContext = {
      awsRequestId: requestId,
      functionName: name,
      getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    };
    // Inside an async function also a handler that throws before its first await becomes a rejected promise.
    const run = async (): Promise<void> => {
      const handler = handlers.get(name);
      if (!handler) throw new Error(`There is no function ${name}`);
      await answer(await handler(event, context));
    };
    run().catch((error: unknown) => {
      onFault(name, error);
      return answer(FUNCTION_FAILED);
    });
  };
}

/**
 * Loads the functions of some routes from `directory`, one file each.
 *
 * They are named by the table of routes alone, so that an endpoint is added by its file and its row.
 */
export async function loadHandlers(names: Iterable<string>, directory: URL): Promise<Map<string, Handler>> {
  const handlers = new Map<string, Handler>();
  for (const name of names) {
    const { handler } = await import(new URL(`${name}.ts`, directory).href);
    if (typeof handler !== 'function') throw new TypeError(`functions/${name}.ts exports no handler`);
    handlers.set(name, handler);
  }
  return handlers;
}
