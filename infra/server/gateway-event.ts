import { isUtf8 } from 'node:buffer';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { type IncomingRequest, readQuery } from './request.ts';
import type { Match } from './router.ts';

/** The event that API Gateway's HTTP API creates for a request, in payload format 2.0. */
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
      domainPrefix: domainName.split('.', 1)[0] as string,
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
      time: logTime(request.receivedEpochMs),
      timeEpoch: request.receivedEpochMs,
    },
    isBase64Encoded: false,
  };

  // Members that do not apply are absent, not undefined: on Lambda, the event is parsed from JSON.
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

// All requests of a second share its text: formatting it costs more than the rest of an event.
let lastSecond = Number.NaN;
let lastTime = '';

/** Time in the common log format, in UTC: `12/Mar/2020:19:03:58 +0000`. */
function logTime(epochMs: number): string {
  const second = Math.floor(epochMs / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    const [, day, month, year, time] = new Date(epochMs).toUTCString().split(' ');
    lastTime = `${day}/${month}/${year}:${time} +0000`;
  }
  return lastTime;
}
