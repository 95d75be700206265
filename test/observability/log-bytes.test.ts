import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { LOG_BYTES } from '../../infra/stack/costs.ts';
import { eventFor, SIGNER } from '../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { newTenant } from '../conformance/backends.ts';
import { accessLogOf } from '../infra/access-log.ts';
import { synthesize } from '../infra/synthesize.ts';

/** CloudWatch charges for each byte. docs/deploy.md has the sum in its costs. */
const MAX_BYTES = LOG_BYTES;

let functions: Record<'get' | 'set', LambdaFunction>;

beforeAll(async () => {
  const settings = { DRAGONFLY_URL: inject('singleUrl'), METRICS_NAMESPACE: 'CacheService/prod' };
  const [get, set] = await Promise.all([startFunction('get', settings), startFunction('set', settings)]);
  functions = { get, set };
});
afterAll(() => Promise.all(Object.values(functions ?? {}).map((each) => each.stop())));

it(`a get of 1 kB that hits writes at most ${MAX_BYTES} bytes to the logs, access log included`, async () => {
  const headers = { 'X-Tenant-ID': newTenant() };
  const body = { key: 'user:4711:profile', value: 'x'.repeat(998) };
  await functions.set.invoke(eventFor('set', { headers, body }));
  const get = eventFor('get', { headers, parameters: { key: body.key } });
  // The first line of a sandbox is longer.
  await functions.get.invoke(get);
  const before = functions.get.output().length;
  const { statusCode, body: response = '' } = (await functions.get.invoke(get)) as {
    statusCode: number;
    body?: string;
  };
  expect(statusCode).toBe(200);
  const functionLine = functions.get.output().slice(before);
  expect(functionLine.trim().split('\n')).toHaveLength(1);

  const values: Record<string, string> = {
    '$context.requestId': get.requestContext.requestId,
    '$context.routeKey': get.routeKey,
    '$context.status': String(statusCode),
    '$context.responseLatency': '12',
    '$context.responseLength': String(Buffer.byteLength(response)),
    '$context.identity.sourceIp': get.requestContext.http.sourceIp,
    '$context.identity.userArn': SIGNER.userArn,
    '$context.error.message': '-',
    '$context.integration.error': '-',
  };
  const { format } = accessLogOf(synthesize().template);
  const accessLine = format.replace(/\$context(\.\w+)+/g, (variable) => values[variable] ?? `no ${variable}`);
  expect(accessLine).not.toContain('no $');
  const bytes = { function: Buffer.byteLength(functionLine), access: Buffer.byteLength(accessLine) };
  expect(bytes.function + bytes.access, JSON.stringify(bytes)).toBeLessThanOrEqual(MAX_BYTES);
});
