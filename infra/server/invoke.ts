import type { APIGatewayProxyEventV2, Context } from 'aws-lambda';
import { FUNCTION_FAILED, type Result } from './response.ts';

/** The context that functions receive. */
export type InvocationContext = Pick<Context, 'awsRequestId' | 'functionName' | 'getRemainingTimeInMillis'>;

export type Handler = (event: APIGatewayProxyEventV2, context: InvocationContext) => Promise<Result>;

export interface FunctionHost {
  /** By the name of the route. */
  handlers: ReadonlyMap<string, Handler>;
  /** Called if a function throws, or returns a result that cannot be sent. */
  onFault: (name: string, error: unknown) => void;
}

/** API Gateway's limit for an integration. */
const FUNCTION_TIMEOUT_MS = 30_000;

/**
 * Creates a function that invokes a handler and passes its result to `respond`. If the handler or `respond` throws, `respond` gets
 * API Gateway's response to a failed function.
 */
export function createInvoker({ handlers, onFault }: FunctionHost) {
  return (name: string, event: APIGatewayProxyEventV2, respond: (result: Result) => Promise<void>): void => {
    const deadlineEpochMs = Date.now() + FUNCTION_TIMEOUT_MS;
    const context: InvocationContext = {
      awsRequestId: event.requestContext.requestId,
      functionName: name,
      getRemainingTimeInMillis: () => Math.max(0, deadlineEpochMs - Date.now()),
    };
    // Async, so that a handler that throws before its first await rejects as well.
    const run = async (): Promise<void> => {
      const handler = handlers.get(name);
      if (!handler) throw new Error(`There is no function ${name}`);
      await respond(await handler(event, context));
    };
    run().catch((error: unknown) => {
      onFault(name, error);
      return respond(FUNCTION_FAILED);
    });
  };
}

/** Imports `<name>.ts` from `directory` for each route. */
export async function loadHandlers(names: Iterable<string>, directory: URL): Promise<Map<string, Handler>> {
  const handlers = new Map<string, Handler>();
  for (const name of names) {
    const { handler } = await import(new URL(`${name}.ts`, directory).href);
    if (typeof handler !== 'function') throw new TypeError(`functions/${name}.ts exports no handler`);
    handlers.set(name, handler);
  }
  return handlers;
}
