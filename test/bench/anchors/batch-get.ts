import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** The least that a function can do for a batch of gets: the texts as the server has them. */
export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  const { keys } = JSON.parse(event.body ?? '') as { keys: string[] };
  const values = await client.mget(...keys);
  return {
    statusCode: 200,
    headers: { 'content-type': 'application/json' },
    body: `[${values.map((value) => value ?? 'null').join(',')}]`,
  };
}
