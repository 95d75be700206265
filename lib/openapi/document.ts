import { type Route, routes } from '../routes.ts';
import { namedAnswers } from './answers.ts';
import { failureSchema } from './envelope.ts';
import { failures } from './failures.ts';
import { answerHeaders, requestHeaders } from './headers.ts';
import { info } from './info.ts';
import type { Schema } from './json-schema.ts';
import type { Limits } from './limits.ts';
import { isByQuery, operation } from './operation.ts';
import { tags } from './operations/documentation.ts';
import { documentation } from './operations/index.ts';
import { namedSchemas } from './schemas.ts';
import { security } from './security.ts';
import { session } from './session/index.ts';

/**
 * The OpenAPI 3.1 description of the service with these settings: of every route in the table, made from the schemas that
 * check requests and the classes of failures.
 */
export function openApiDocument(limits: Limits) {
  const { schemes, requirements } = security(limits) ?? {};
  const paths = describePaths(limits);
  const responses = referenced('responses', namedAnswers(limits), paths);
  return {
    openapi: '3.1.1',
    info: info(limits),
    // Wherever the document came from.
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, description]) => ({ name, description })),
    // An empty list states that callers prove nothing; without it the document would leave that open.
    security: requirements ?? [],
    paths,
    components: {
      schemas: {
        ...namedSchemas(limits),
        ...referenced('schemas', failureSchemas(limits), [paths, responses]),
      },
      responses,
      parameters: requestHeaders(limits),
      headers: referenced('headers', answerHeaders, [paths, responses]),
      ...(schemes && { securitySchemes: schemes }),
    },
  };
}

export type OpenApiDocument = ReturnType<typeof openApiDocument>;

function describePaths(limits: Limits) {
  const told = documentation(limits);
  const exchanges = session(limits);
  const found: Record<string, Record<string, ReturnType<typeof operation>>> = {};
  for (const row of routes) {
    const route: Route = row;
    for (const path of route.paths) {
      const own = exchanges.filter(
        (exchange) =>
          exchange.operation === row.name && (exchange.byQuery ?? false) === isByQuery(route, path),
      );
      found[path] ??= {};
      found[path][route.method.toLowerCase()] = operation(
        { route, path, told: told[row.name], exchanges: own },
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
 * describes it in place, which can leave the shared description without a use.
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
