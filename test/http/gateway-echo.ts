import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { Handler } from '../../infra/server/invoke.ts';
import { createRouter } from '../../infra/server/router.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../infra/server/server.ts';
import { fallback, type Route } from '../../lib/routes.ts';
import { type RawRequest, type RawResponse, rawRequest } from './gateway-raw.ts';

/** A gateway in this process, in front of functions of a test's own. */
export interface TestGateway {
  port: number;
  /** What functions threw so far, or answered that could not be sent: the function's name and the error. */
  faults: [name: string, error: unknown][];
  send: (request: RawRequest) => Promise<RawResponse>;
  stop: Gateway['stop'];
}

/** What {@link echo} answers with. */
export interface Echoed {
  event: APIGatewayProxyEventV2;
  context: { awsRequestId: string; functionName: string; remainingMs: number };
}

/** A function that answers with what it was invoked with. */
export const echo: Handler = async (event, context) => ({
  statusCode: 200,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({
    event,
    context: {
      awsRequestId: context.awsRequestId,
      functionName: context.functionName,
      remainingMs: context.getRemainingTimeInMillis(),
    },
  } satisfies Echoed),
});

/** Starts a gateway for some routes on a free port of the loopback address; what none of them takes is echoed. */
export async function startTestGateway(
  routes: readonly Route[],
  functions: Record<string, Handler>,
  options: GatewayOptions = {},
): Promise<TestGateway> {
  const faults: [string, unknown][] = [];
  const host = {
    handlers: new Map(Object.entries({ [fallback.name]: echo, ...functions })),
    onFault: (name: string, error: unknown) => faults.push([name, error]),
  };
  const { server, stop } = createGateway(createRouter(routes, fallback), host, options);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, faults, send: (request) => rawRequest(port, request), stop };
}
