import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** The minimum for a batch of sets: the body is parsed, and each value is serialized again. */
export async function handler(event: APIGatewayProxyEventV2): Promise<APIGatewayProxyStructuredResultV2> {
  const { items } = JSON.parse(event.body ?? '') as { items: { key: string; value: unknown; ttl: number }[] };
  const pipeline = client.pipeline();
  for (const { key, value, ttl } of items) pipeline.set(key, JSON.stringify(value), 'PX', ttl * 1000);
  await pipeline.exec();
  return { statusCode: 201 };
}
