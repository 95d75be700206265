import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** The minimum for a get: the stored text is returned unchanged. */
export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  const value = await client.get(event.pathParameters?.key ?? '');
  if (value === null) return { statusCode: 404 };
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: value };
}
