import { randomUUID } from 'node:crypto';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { fallback, type Operation, routes } from '../../lib/routes.ts';

/** A caller's request, from which API Gateway creates an event. */
export interface ApiRequest {
  /** The path parameters, decoded. */
  parameters?: Record<string, string>;
  /** The percent-encoded query of the URL, without the `?`. */
  query?: string;
  headers?: Record<string, string>;
  /** A body. A value that is not a string is sent as JSON. */
  body?: unknown;
  /** Encodes the body in base64, as API Gateway does with binary bodies. */
  base64?: boolean;
  /** Sends HEAD instead of GET. */
  head?: boolean;
  /** Only for the fallback: a method and path without a route. */
  method?: string;
  path?: string;
}

/** The caller who signed the request, in the form of the IAM authorizer. */
export const SIGNER = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  accountId: '123456789012',
  callerId: 'AIDACKCEVSQ6C2EXAMPLE',
  cognitoIdentity: null,
  principalOrgId: null,
  userArn: 'arn:aws:iam::123456789012:user/caller',
  userId: 'AIDACKCEVSQ6C2EXAMPLE',
};

/**
 * The event, in payload format 2.0, with which API Gateway invokes an operation's function. Method and path are those of the
 * operation's route. Of several paths, it is the first whose parameters are all given.
 */
export function eventFor(operation: Operation, request: ApiRequest = {}): APIGatewayProxyEventV2 {
  const { method, path, routeKey, open } = locate(operation, request);
  const { parameters, query = '', base64 = false } = request;
  const text =
    request.body === undefined || typeof request.body === 'string'
      ? request.body
      : JSON.stringify(request.body);
  const headers = headersOf(request, text);
  const now = new Date();
  return {
    version: '2.0',
    routeKey,
    rawPath: path,
    rawQueryString: query,
    headers,
    ...(query && { queryStringParameters: queryParameters(query) }),
    ...(parameters && { pathParameters: parameters }),
    requestContext: {
      accountId: '123456789012',
      apiId: 'a1b2c3d4e5',
      ...(!open && { authorizer: { iam: SIGNER } }),
      domainName: headers.host ?? '',
      domainPrefix: 'a1b2c3d4e5',
      http: {
        method,
        path,
        protocol: 'HTTP/1.1',
        sourceIp: '203.0.113.7',
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: `${randomUUID().replaceAll('-', '').slice(0, 15)}=`,
      routeKey,
      stage: '$default',
      time: accessLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(text !== undefined && { body: base64 ? Buffer.from(text).toString('base64') : text }),
    isBase64Encoded: base64,
  };
}

function locate(operation: Operation, { parameters = {}, head, method, path }: ApiRequest) {
  const route = [...routes, fallback].find(({ name }) => name === operation);
  const template = route?.paths.find((candidate) =>
    placeholders(candidate).every((name) => name in parameters),
  );
  if (!route || !template) throw new Error(`No path of ${operation} takes ${JSON.stringify(parameters)}`);
  if (route.method === 'ANY')
    return { method: method ?? 'GET', path: path ?? '/nowhere', routeKey: template, open: false };
  const verb = head ? 'HEAD' : route.method;
  const filled = template.replace(/\{(\w+)\}/g, (_, name: string) => parameters[name] ?? '');
  return { method: verb, path: filled, routeKey: `${verb} ${template}`, open: !route.tenant };
}

function placeholders(template: string): string[] {
  return [...template.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
}

function headersOf({ headers = {} }: ApiRequest, body: string | undefined): Record<string, string> {
  const given = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return {
    accept: '*/*',
    'content-length': String(Buffer.byteLength(body ?? '')),
    ...(body !== undefined && { 'content-type': 'application/json' }),
    host: 'a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com',
    'user-agent': 'curl/8.5.0',
    'x-amzn-trace-id': 'Root=1-5759e988-bd862e3fe1be46a994272793',
    'x-forwarded-for': '203.0.113.7',
    'x-forwarded-port': '443',
    'x-forwarded-proto': 'https',
    ...Object.fromEntries(given),
  };
}

/** The decoded parameters. The values of a repeated name are joined by commas. */
function queryParameters(query: string): Record<string, string> {
  const names = new URLSearchParams(query);
  return Object.fromEntries([...names.keys()].map((name) => [name, names.getAll(name).join(',')]));
}

/** Formats a time like `12/Mar/2026:19:03:58 +0000`. */
function accessLogTime(date: Date): string {
  const [, day, month, year, time] = date.toUTCString().split(' ');
  return `${day}/${month}/${year}:${time} +0000`;
}
