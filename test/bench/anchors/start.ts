import middy from '@middy/core';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** A function that loads the same libraries and does nothing. */
export const handler = middy().handler(async () => ({ statusCode: 200 }));
