import { type Route, routes } from '../routes.ts';
import { type Limits, requestHeaders, responseHeaders, security, sharedSchemas } from './components.ts';
import { tags } from './endpoint.ts';
import { endpointDocumentation } from './endpoints/index.ts';
import { failureSchema, failures } from './failures.ts';
import { info } from './info.ts';
import type { Schema } from './json-schema.ts';
import { namedResponses, operation } from './operation.ts';

/**
 * The OpenAPI 3.1 description of the service with these settings. It is made from the table of routes, the schemas that check
 * requests, the classes of failures, and the documentation in `endpoints/`.
 */
export function openApiDocument(limits: Limits) {
  const { schemes, requirements } = security(limits) ?? {};
  const endpoints = endpointDocumentation(limits);
  const paths = describePaths(endpoints, limits);
  const responses = referenced('responses', namedResponses(limits), paths);
  return {
    openapi: '3.1.1',
    info: info(limits),
    // The server that the document was loaded from.
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    // The empty list states that no authentication is required. Without the member that would be unspecified.
    security: requirements ?? [],
    paths,
    components: {
      schemas: {
        ...sharedSchemas(),
        ...Object.assign({}, ...Object.values(endpoints).map(({ schemas }) => schemas)),
        ...referenced('schemas', failureSchemas(limits), [paths, responses]),
      } as Record<string, Schema>,
      responses,
      parameters: requestHeaders(limits),
      headers: referenced('headers', responseHeaders, [paths, responses]),
      ...(schemes && { securitySchemes: schemes }),
    },
  };
}

export type OpenApiDocument = ReturnType<typeof openApiDocument>;

function describePaths(endpoints: ReturnType<typeof endpointDocumentation>, limits: Limits) {
  const found: Record<string, Record<string, ReturnType<typeof operation>>> = {};
  for (const row of routes) {
    const route: Route = row;
    for (const path of route.paths) {
      found[path] ??= {};
      found[path][route.method.toLowerCase()] = operation(
        { route, path, documentation: endpoints[row.name] },
        limits,
      );
    }
  }
  return found;
}

export function failureSchemas(limits: Limits): Record<string, Schema> {
  const all = Object.entries(failures(limits));
  return Object.fromEntries(all.map(([name, failure]) => [name, failureSchema([failure])]));
}

/**
 * The components of a kind that some part of the document refers to. An operation whose failure has examples of its own
 * describes the failure in place, which can leave the shared description unused.
 */
function referenced<Component>(
  kind: 'headers' | 'schemas' | 'responses',
  components: Record<string, Component>,
  by: object,
): Record<string, Component> {
  const text = JSON.stringify(by);
  const used = Object.entries(components).filter(([name]) => text.includes(`"#/components/${kind}/${name}"`));
  return Object.fromEntries(used);
}
