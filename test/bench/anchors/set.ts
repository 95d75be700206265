import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** The minimum for a set: the body is the value and is not parsed. */
export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  const { key = '', ttl } = event.queryStringParameters ?? {};
  await client.set(key, event.body ?? '', 'PX', Number(ttl) * 1000);
  return { statusCode: 201 };
}
