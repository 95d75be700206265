import { readTarget } from '../../infra/server/request-head.ts';
import { createRouter } from '../../infra/server/router.ts';
import { readConfig } from '../../lib/config/config.ts';
import type { Response } from '../../lib/openapi/answers.ts';
import { type OpenApiDocument, openApiDocument } from '../../lib/openapi/document.ts';
import { fallback, routes } from '../../lib/routes.ts';

/** An operation of the document, and what it can be answered with, written out. */
export interface Described {
  id: string;
  method: string;
  /** As the document has it, with `{key}` for the key. */
  path: string;
  /** By their statuses. Each has the place in the document that its schema stands at, as a JSON pointer. */
  answers: Map<number, Response & { at: string }>;
}

/** The document of a service on which nothing is set. What it says of answers depends on no setting but the claim. */
export const document: OpenApiDocument = openApiDocument(readConfig({}));

/** Every operation of a document. */
export function operationsOf({ paths, components }: OpenApiDocument): Described[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, responses }]) => {
      const answers = Object.entries(responses).map(([status, response]) => {
        if (!('$ref' in response)) {
          const at = ['paths', path, method, 'responses', status];
          return [Number(status), { ...response, at: pointer(at) }] as const;
        }
        const name = response.$ref.replace(
          '#/components/responses/',
          '',
        ) as keyof typeof components.responses;
        const at = ['components', 'responses', name];
        return [Number(status), { ...components.responses[name], at: pointer(at) }] as const;
      });
      return { id: operationId, method: method.toUpperCase(), path, answers: new Map(answers) };
    }),
  );
}

/** What the document says of requests that no route takes. */
const unrouted: Described = {
  id: fallback.name,
  method: 'ANY',
  path: '',
  answers: new Map([
    [404, { ...document.components.responses.NotFoundError, at: '/components/responses/NotFoundError' }],
  ]),
};

const byRouteKey = new Map(operationsOf(document).map((one) => [`${one.method} ${one.path}`, one]));
const route = createRouter(routes, fallback);

/** The operation that a request is for; undefined for one whose path cannot be read. */
export function operationFor(method: string, target: string): Described | undefined {
  const read = readTarget(target);
  return read && (byRouteKey.get(route(method, read.path).routeKey) ?? unrouted);
}

function pointer(parts: string[]): string {
  return parts.map((part) => `/${part.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}
