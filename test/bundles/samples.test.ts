import { readFileSync } from 'node:fs';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { expect, inject, test } from 'vitest';
import { operations } from '../../infra/build/functions.ts';
import type { Operation } from '../../lib/routes.ts';
import { startFunction } from './lambda.ts';

const STATUS: Record<Operation, number> = {
  get: 200,
  set: 201,
  delete: 204,
  invalidate: 200,
  'batch-get': 200,
  'batch-set': 201,
  'batch-delete': 200,
  usage: 200,
  'clear-tenant': 204,
  health: 200,
  openapi: 200,
  'not-found': 404,
};

test.each(operations)('the sample event of %s does what it shows', async (operation) => {
  const file = new URL(`../events/${operation}.json`, import.meta.url);
  const event: APIGatewayProxyEventV2 = JSON.parse(readFileSync(file, 'utf8'));
  const lambda = await startFunction(operation, { DRAGONFLY_URL: inject('singleUrl') });
  try {
    expect((await lambda.invoke(event)).statusCode).toBe(STATUS[operation]);
  } finally {
    await lambda.stop();
  }
});
