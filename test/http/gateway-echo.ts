import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import type { Handler } from '../../infra/server/invoke.ts';
import { createRouter } from '../../infra/server/router.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../infra/server/server.ts';
import { fallback, type Route } from '../../lib/routes.ts';
import { type RawRequest, type RawResponse, rawRequest } from './gateway-raw.ts';

/** A gateway in this process, in front of functions that a test defines. */
export interface TestGateway {
  port: number;
  /** The functions that failed so far or returned an invalid response, each with its error. */
  faults: [name: string, error: unknown][];
  send: (request: RawRequest) => Promise<RawResponse>;
  stop: Gateway['stop'];
}

/** The body of a response of {@link echo}. */
export interface Echoed {
  event: APIGatewayProxyEventV2;
  context: { awsRequestId: string; functionName: string; remainingMs: number };
}

/** A function that returns its event and its context. */
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

/** Starts a gateway for the routes on a free port of the loopback address. Requests without a route are answered by {@link echo}. */
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
