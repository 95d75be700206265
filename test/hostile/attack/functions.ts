import { isUtf8 } from 'node:buffer';
import type { APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { fallback, type Operation, routes } from '../../../lib/routes.ts';
import { eventFor } from '../../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../../bundles/lambda.ts';
import { CLAIM, type PlainEvent } from '../generate/events.ts';
import type { ParsedRequest } from '../oracle/request.ts';
import type { HttpResponse } from '../oracle/response.ts';
import { type RouteName, routeOf } from '../oracle/routes.ts';
import { RULES } from './requests.ts';

/** All functions of the service, each in its own sandbox. */
export class Functions {
  readonly #running: ReadonlyMap<Operation, LambdaFunction>;

  private constructor(running: ReadonlyMap<Operation, LambdaFunction>) {
    this.#running = running;
  }

  static async start(settings: Record<string, string>): Promise<Functions> {
    const started = [...routes, fallback].map(
      async ({ name }) => [name, await startFunction(name, settings)] as const,
    );
    return new Functions(new Map(await Promise.all(started)));
  }

  names(): Operation[] {
    return [...this.#running.keys()];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.values()].map((running) => running.stop()));
  }

  async invoke(name: Operation, event: unknown): Promise<HttpResponse> {
    const running = this.#running.get(name);
    if (!running) throw new Error(`The function ${name} is not running`);
    const begun = performance.now();
    const result = await running.invoke(event);
    return toHttpResponse(result, performance.now() - begun);
  }
}

/** Converts a function's result to the response that the gateway would send. */
function toHttpResponse(
  { statusCode = 0, headers = {}, body }: APIGatewayProxyStructuredResultV2,
  ms: number,
): HttpResponse {
  const sentHeaders: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string')
      throw new Error(`The header ${name} is not a string: ${JSON.stringify(value)}`);
    sentHeaders[name] = value;
  }
  if (body !== undefined) sentHeaders['content-length'] = String(Buffer.byteLength(body));
  return { status: statusCode, headers: sentHeaders, body: body ?? '', ms };
}

const FUNCTION_OF: Partial<Record<RouteName, Operation>> = {
  'batch get': 'batch-get',
  'batch set': 'batch-set',
  'batch delete': 'batch-delete',
  release: 'lease-release',
  clear: 'clear-tenant',
};

/**
 * Returns the function that a request is routed to, and the API Gateway event for it.
 *
 * @param base64 whether to Base64-encode the body even if it is valid UTF-8
 */
export function eventOf(parsed: ParsedRequest, base64: boolean): { name: Operation; event: PlainEvent } {
  const { method, path = '/', query, headers, body, claim } = parsed;
  const route = routeOf(method, path, RULES.hasRoute);
  const name = route ? (FUNCTION_OF[route.name] ?? (route.name as Operation)) : fallback.name;
  const parameter = ['clear-tenant', 'usage', 'keys'].includes(name) ? 'tenant_id' : 'key';
  const { requestContext, ...event } = eventFor(name, {
    head: method === 'HEAD',
    method,
    path,
    query,
    headers: Object.fromEntries(headers),
    ...(route?.parameter !== undefined && { parameters: { [parameter]: route.parameter } }),
  });
  const encoded = body !== undefined && (base64 || !isUtf8(body));
  return {
    name,
    event: {
      ...event,
      ...(body && body.length > 0 && { body: body.toString(encoded ? 'base64' : 'utf8') }),
      isBase64Encoded: encoded,
      requestContext: { ...requestContext, ...(claim && { authorizer: authorizerWith(claim.tenant) }) },
    },
  };
}

function authorizerWith(tenant: unknown): object {
  return {
    jwt: {
      claims: { sub: 'caller', ...(tenant !== undefined && { [CLAIM]: tenant }) },
      scopes: null,
    },
  };
}
