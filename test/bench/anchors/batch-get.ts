import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** The minimum for a batch of gets: the stored texts are returned unchanged. */
export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  const { keys } = JSON.parse(event.body ?? '') as { keys: string[] };
  const values = await client.mget(...keys);
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: `[${values.map((value) => value ?? 'null').join(',')}]`,
  };
}
