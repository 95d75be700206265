import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from 'aws-lambda';
import type { LambdaHandler } from '../../lib/http/endpoint.ts';

/** The events of a miss. KEY is a placeholder for its key, TOKEN for the token of its lease. */
export interface MissEvents {
  lookup: APIGatewayProxyEventV2;
  set: APIGatewayProxyEventV2;
}

let misses = 0;

/** Returns a handler that looks up a key that was never set, and then sets it. It calls two functions of the service in one process. */
export function missThenSet(lookup: LambdaHandler, set: LambdaHandler) {
  return async (events: MissEvents, context: Context): Promise<APIGatewayProxyStructuredResultV2> => {
    const key = `miss:${process.pid}:${++misses}`;
    const missed = await lookup(filled(events.lookup, key), context);
    const { found, lease } = JSON.parse(missed.body ?? '').data;
    if (found !== false) throw new Error('The lookup of a new key found a value');
    return set(filled(events.set, key, lease?.token), context);
  };
}

function filled(event: APIGatewayProxyEventV2, key: string, token = ''): APIGatewayProxyEventV2 {
  if (event.body === undefined) return { ...event, pathParameters: { key } };
  return { ...event, body: event.body.replace('KEY', key).replace('TOKEN', token) };
}
