import { readTarget } from '../../infra/server/request.ts';
import { createRouter } from '../../infra/server/router.ts';
import { readConfig } from '../../lib/config/config.ts';
import { responseHeaders } from '../../lib/openapi/components.ts';
import { failureSchemas, type OpenApiDocument, openApiDocument } from '../../lib/openapi/document.ts';
import { namedResponses, type ResponseObject } from '../../lib/openapi/operation.ts';
import { fallback, routes } from '../../lib/routes.ts';

/** An operation of the document, with its responses resolved. */
export interface Described {
  id: string;
  method: string;
  /** The path of the document, with `{key}` for the key. */
  path: string;
  /** Responses by status. `at` is the JSON pointer to the response in the document. */
  answers: Map<number, ResponseObject & { at: string }>;
}

/** The document of a service with default settings. Only TENANT_CLAIM affects the described responses. */
export const document: OpenApiDocument = openApiDocument(readConfig({}));

/** The document of the stack with IAM: callers sign their requests. */
export const signed: OpenApiDocument = openApiDocument(readConfig({ AWS_LAMBDA_FUNCTION_NAME: 'f' }));

/** The document of the stack with a JWT authorizer: callers send a token. */
export const token: OpenApiDocument = openApiDocument(
  readConfig({ AWS_LAMBDA_FUNCTION_NAME: 'f', TENANT_CLAIM: 'tenant_id' }),
);

/** The variants of the document, with their audience. */
export const variants: [string, OpenApiDocument][] = [
  ['a local server', document],
  ['callers with signatures', signed],
  ['callers with tokens', token],
];

/** All operations of a document. */
export function operationsOf({ paths, components }: OpenApiDocument): Described[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, responses }]) => {
      const answers = Object.entries(responses).map(([status, response]) => {
        if (!('$ref' in response)) {
          const at = ['paths', path, method, 'responses', status];
          return [Number(status), { ...response, at: pointer(at) }] as const;
        }
        return [Number(status), namedAnswer(components, response.$ref.replace(/.*\//, ''))] as const;
      });
      return { id: operationId, method: method.toUpperCase(), path, answers: new Map(answers) };
    }),
  );
}

const config = readConfig({});

/** The document with all failures, including 405, which belongs to no operation. */
export const complete: OpenApiDocument = {
  ...document,
  components: {
    ...document.components,
    schemas: { ...document.components.schemas, ...failureSchemas(config) },
    responses: namedResponses(config),
    headers: responseHeaders,
  },
};

/** The responses to requests without a route. */
const unrouted: Described = {
  id: fallback.name,
  method: 'ANY',
  path: '',
  answers: new Map([
    [404, namedAnswer(complete.components, 'NotFoundError')],
    [405, namedAnswer(complete.components, 'MethodNotAllowedError')],
  ]),
};

const byRouteKey = new Map(operationsOf(document).map((one) => [`${one.method} ${one.path}`, one]));
const route = createRouter(routes, fallback);

/** The operation of a request; undefined if the path cannot be decoded. */
export function operationFor(method: string, target: string): Described | undefined {
  const read = readTarget(target);
  // HEAD is answered like GET. The document describes only GET.
  const described = method === 'HEAD' ? 'GET' : method;
  return read && (byRouteKey.get(route(described, read.path).routeKey) ?? unrouted);
}

function namedAnswer({ responses }: OpenApiDocument['components'], name: string) {
  const response = responses[name];
  if (!response) throw new Error(`The document has no response ${name}`);
  return { ...response, at: pointer(['components', 'responses', name]) };
}

function pointer(parts: string[]): string {
  return parts.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
