import { parametersOf, type Route } from '../routes.ts';
import { type Limits, type Ref, requestHeaders, responseHeaderRefs } from './components.ts';
import { type EndpointDocumentation, type Example, failuresOf, type Success } from './endpoint.ts';
import { type FailureName, failureExample, failureSchema, failures, successSchema } from './failures.ts';
import { type Schema, schemaRef } from './json-schema.ts';

/** OpenAPI's Operation Object, made from a route and its endpoint's documentation. */

/** OpenAPI's Example Object. */
interface ExampleObject {
  summary: string;
  value: unknown;
}

type ExampleObjects = Record<string, ExampleObject>;

/** OpenAPI's Response Object. */
export interface ResponseObject {
  description: string;
  headers: Record<string, Ref>;
  content?: Record<string, { schema: Schema; examples?: ExampleObjects }>;
}

/** One path of a route and its documentation. */
interface PathDocumentation {
  route: Route;
  path: string;
  documentation: EndpointDocumentation;
}

/** The operation of one path of a route. */
export function operation({ route, path, documentation: given }: PathDocumentation, limits: Limits) {
  const byQuery = isByQuery(route, path);
  const examples = given.examples.filter((example) => (example.byQuery ?? false) === byQuery);
  const documentation = { ...given, examples };
  const { operationIds, tag, summary, description, queryParameters = {}, requestBody } = documentation;
  return {
    operationId: operationIds[route.paths.indexOf(path)] ?? operationIds[0],
    tags: [tag],
    summary: byQuery ? `${summary} by the query` : summary,
    description: byQuery ? `${description} Accepts any key, also one that a path cannot carry.` : description,
    parameters: [
      ...parameters(route, path, examples),
      ...Object.entries(queryParameters).map(([name, parameter]) => ({ name, in: 'query', ...parameter })),
      ...headerRefs(route, limits),
    ],
    ...(requestBody && {
      requestBody: {
        required: true,
        content: jsonContent(schemaRef(requestBody), requestExamples(examples)),
      },
    }),
    responses: responses({ route, path, documentation }, limits),
    ...(!route.tenant && { security: [] }),
  };
}

/** True if the route has several paths and this one takes the key from the query. */
export function isByQuery({ paths }: Route, path: string): boolean {
  return paths.length > 1 && !path.includes('{');
}

/** The schemas of parameters, by their names. */
const parameterSchemas: Record<string, string> = { key: 'Key', tenant_id: 'TenantId' };

function parameters(route: Route, path: string, examples: readonly Example[]) {
  const inPath = parametersOf(path).map((name) => ({ name, in: 'path' }));
  const found = isByQuery(route, path) ? [{ name: 'key', in: 'query' }] : inPath;
  return found.map(({ name, in: where }) => {
    const schema = parameterSchemas[name];
    if (schema === undefined) throw new Error(`parameterSchemas has no schema for ${name}`);
    return {
      name,
      in: where,
      required: true,
      schema: schemaRef(schema),
      examples: toObjects(examples.filter(isAccepted), ({ parameters = {} }) => parameters[name]),
    };
  });
}

function headerRefs({ tenant }: Route, limits: Limits): Ref[] {
  return Object.keys(requestHeaders(limits))
    .filter((name) => tenant || (name !== 'Tenant' && name !== 'User'))
    .map((name) => ({ $ref: `#/components/parameters/${name}` }));
}

function requestExamples(examples: readonly Example[]): ExampleObjects {
  return toObjects(examples.filter(isAccepted), ({ body }) => body);
}

/** Rejected requests are left out: people try the first example of a request. Their responses are shown. */
function isAccepted({ response: { status } }: Example): boolean {
  return status < 400;
}

function toObjects(examples: readonly Example[], toValue: (example: Example) => unknown): ExampleObjects {
  return Object.fromEntries(
    examples.map((example) => [example.name, { summary: example.summary, value: toValue(example) }]),
  );
}

function responses(
  { route, path, documentation }: PathDocumentation,
  limits: Limits,
): Record<string, ResponseObject | Ref> {
  const { successes, examples } = documentation;
  const found: Record<string, ResponseObject | Ref> = {};
  for (const success of successes) {
    const schema = bodySchema(success);
    found[success.status] = {
      description: success.description,
      headers: responseHeaderRefs(),
      ...(schema && { content: jsonContent(schema, responseExamples(examples, success.status)) }),
    };
  }
  const all = failures(limits);
  const byStatus = Map.groupBy(
    failuresOf(route, path, documentation, limits),
    (name) => all[name].sample.status,
  );
  for (const [status, names] of byStatus) {
    const own = { ...responseExamples(examples, status), ...tooLargeExamples(documentation, status) };
    const hasOwn = Object.keys(own).length > 0;
    found[status] =
      names.length === 1 && !hasOwn
        ? { $ref: `#/components/responses/${names[0]}` }
        : failureResponse(names, all, hasOwn ? own : undefined);
  }
  return found;
}

function bodySchema({ data, document }: Success): Schema | undefined {
  if (data !== undefined) return successSchema(schemaRef(data));
  return document === undefined ? undefined : schemaRef(document);
}

function responseExamples(examples: readonly Example[], wanted: number): ExampleObjects {
  const found = examples.filter(({ response: { status, body } }) => status === wanted && body !== undefined);
  return toObjects(found, ({ response }) => response.body);
}

function tooLargeExamples({ tooLarge = {} }: EndpointDocumentation, status: number): ExampleObjects {
  const examples = Object.entries(tooLarge)
    .filter(([, { error }]) => error.status === status)
    .map(([name, { summary, error }]) => [name, { summary, value: failureExample(error) }]);
  return Object.fromEntries(examples);
}

/**
 * The response for the failures of one status.
 *
 * @param examples default: one for each class
 */
function failureResponse(
  names: readonly FailureName[],
  all: ReturnType<typeof failures>,
  examples?: ExampleObjects,
): ResponseObject {
  const documented = names.map((name) => all[name]);
  const samples = documented.map(({ sample }) => [
    sample.code,
    { summary: sample.message, value: failureExample(sample) },
  ]);
  return {
    description: documented.map(({ sample, when }) => `\`${sample.code}\`: ${when}`).join('\n\n'),
    headers: responseHeaderRefs(documented.flatMap(({ sample }) => Object.keys(sample.headers))),
    content: jsonContent(
      names.length > 1 ? failureSchema(documented) : schemaRef(names[0] as FailureName),
      examples ?? Object.fromEntries(samples),
    ),
  };
}

function jsonContent(schema: Schema, examples: ExampleObjects): NonNullable<ResponseObject['content']> {
  const none = Object.keys(examples).length === 0;
  return { 'application/json': none ? { schema } : { schema, examples } };
}

/** One response for each class of failures, by the name of the class. */
export function namedResponses(limits: Limits): Record<FailureName, ResponseObject> {
  const all = failures(limits);
  const entries = (Object.keys(all) as FailureName[]).map((name) => [name, failureResponse([name], all)]);
  return Object.fromEntries(entries);
}
