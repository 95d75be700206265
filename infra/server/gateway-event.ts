import { isUtf8 } from 'node:buffer';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { type Head, readQuery, type Target } from './request-head.ts';
import type { Match } from './router.ts';

/** What an HTTP request is made of, once it has come in whole. */
export interface IncomingRequest {
  method: string;
  /** As `HTTP/1.1`. */
  protocol: string;
  target: Target;
  head: Head;
  /** Undefined or empty: the request has no body. */
  body: Buffer | undefined;
  /** The peer's IP address. */
  sourceIp: string;
  /** Epoch milliseconds. */
  receivedAt: number;
  requestId: string;
}

/** The event that API Gateway's HTTP API makes of a request, in payload format 2.0. */
export function createEvent(request: IncomingRequest, match: Match): APIGatewayProxyEventV2 {
  const { method, target, head, body } = request;
  const { path, rawQuery } = target;
  const { headers } = head;
  const domainName = hostName(headers.host ?? '');
  const event: APIGatewayProxyEventV2 = {
    version: '2.0',
    routeKey: match.routeKey,
    rawPath: path,
    rawQueryString: rawQuery,
    headers,
    requestContext: {
      accountId: '000000000000',
      apiId: 'local',
      domainName,
      domainPrefix: firstLabel(domainName),
      http: {
        method,
        path,
        protocol: request.protocol,
        sourceIp: request.sourceIp,
        userAgent: headers['user-agent'] ?? '',
      },
      requestId: request.requestId,
      routeKey: match.routeKey,
      stage: '$default',
      time: logTime(request.receivedAt),
      timeEpoch: request.receivedAt,
    },
    isBase64Encoded: false,
  };

  // Members that do not apply are absent, not undefined: a function sees JSON, which knows only the former.
  if (head.cookies) event.cookies = head.cookies;
  if (match.pathParameters) event.pathParameters = match.pathParameters;
  const query = readQuery(rawQuery);
  if (query) event.queryStringParameters = query;
  if (body && body.length > 0) {
    event.isBase64Encoded = !isUtf8(body);
    event.body = body.toString(event.isBase64Encoded ? 'base64' : 'utf8');
  }
  return event;
}

/** A Host header without its port; an IPv6 address keeps its brackets and its colons. */
function hostName(host: string): string {
  const colon = host.lastIndexOf(':');
  return colon > host.lastIndexOf(']') ? host.slice(0, colon) : host;
}

function firstLabel(domainName: string): string {
  const dot = domainName.indexOf('.');
  return dot < 0 ? domainName : domainName.slice(0, dot);
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

// A second's requests share its text, which costs more to write than the rest of an event.
let lastSecond = Number.NaN;
let lastTime = '';

/** A point in time as web servers' logs have it, in UTC: `12/Mar/2020:19:03:58 +0000`. */
function logTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== lastSecond) {
    const iso = new Date(second * 1000).toISOString();
    const month = MONTHS[Number(iso.slice(5, 7)) - 1];
    lastTime = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
    lastSecond = second;
  }
  return lastTime;
}
