import middy from '@middy/core';
import { Redis } from 'ioredis';

const client = new Redis(process.env.DRAGONFLY_URL ?? '', { lazyConnect: true });
await client.connect();

/** A function that has all that it takes to start with, and does nothing. */
export const handler = middy().handler(async () => ({ statusCode: 200 }));
