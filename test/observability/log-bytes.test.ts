import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { afterEach, expect, inject, it } from 'vitest';
import { LOG_BYTES } from '../../infra/stack/costs.ts';
import type { Operation } from '../../lib/routes.ts';
import { eventFor, SIGNER } from '../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { newTenant } from '../conformance/backends.ts';
import { accessLogOf } from '../infra/access-log.ts';
import { synthesize } from '../infra/synthesize.ts';

/*
 * CloudWatch charges for each byte. docs/deploy.md has the sum in its costs.
 */

const running: LambdaFunction[] = [];
afterEach(() => Promise.all(running.splice(0).map((each) => each.stop())));

async function start(operation: Operation, settings: Record<string, string> = {}): Promise<LambdaFunction> {
  const backend = { DRAGONFLY_URL: inject('singleUrl'), METRICS_NAMESPACE: 'CacheService/prod' };
  const started = await startFunction(operation, { ...backend, ...settings });
  running.push(started);
  return started;
}

/** The mean of what a get of 1 kB that hits writes to both logs, without the first request of the sandbox, whose line is longer. */
async function bytesPerGet(gets: number, settings: Record<string, string>): Promise<number> {
  const headers = { 'X-Tenant-ID': newTenant() };
  const body = { key: 'user:4711:profile', value: 'x'.repeat(998) };
  await (await start('set')).invoke(eventFor('set', { headers, body }));
  const get = await start('get', settings);
  const event = eventFor('get', { headers, parameters: { key: body.key } });
  let response = (await get.invoke(event)) as { statusCode: number; body?: string };
  const before = get.output().length;
  for (let i = 0; i < gets; i++) response = (await get.invoke(event)) as typeof response;
  expect(response.statusCode).toBe(200);
  const ofFunction = Buffer.byteLength(get.output().slice(before)) / gets;
  return ofFunction + Buffer.byteLength(accessLine(event, Buffer.byteLength(response.body ?? '')));
}

/** The line of API Gateway, from the format in the template. */
function accessLine({ requestContext, routeKey }: APIGatewayProxyEventV2, responseBytes: number): string {
  const values: Record<string, string> = {
    '$context.requestId': requestContext.requestId,
    '$context.routeKey': routeKey,
    '$context.status': '200',
    '$context.responseLatency': '12',
    '$context.responseLength': String(responseBytes),
    '$context.identity.sourceIp': requestContext.http.sourceIp,
    '$context.identity.userArn': SIGNER.userArn,
    '$context.error.message': '-',
    '$context.integration.error': '-',
  };
  const { format } = accessLogOf(synthesize().template);
  return format.replace(/\$context(\.\w+)+/g, (variable) => {
    const value = values[variable];
    if (value === undefined) throw new Error(`${variable} has no value here`);
    return value;
  });
}

it(`a get writes at most ${LOG_BYTES.all} bytes to the logs`, async () => {
  const bytes = await bytesPerGet(1, {});
  expect(bytes).toBeLessThanOrEqual(LOG_BYTES.all);
  // Otherwise the costs in the docs would be too high.
  expect(bytes).toBeGreaterThanOrEqual(0.9 * LOG_BYTES.all);
});

it(`a get writes at most ${LOG_BYTES.sampled} bytes on average if a twentieth is logged`, async () => {
  expect(await bytesPerGet(300, { REQUEST_LOG_SAMPLE: '0.05' })).toBeLessThanOrEqual(LOG_BYTES.sampled);
});
