import { writeFileSync } from 'node:fs';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { SAMPLE_TENANT } from '../../lib/openapi/components.ts';
import { fallback, type Operation, routes } from '../../lib/routes.ts';
import { eventFor } from '../bundles/events.ts';
import { addressOf, examples } from '../openapi/requests.ts';

/**
 * The events in this folder, for `sam local invoke` and `npm run invoke`. Each is made from the first example of its endpoint's
 * documentation. `node test/events/sample.ts` writes them.
 */

/** In the place of identifiers and times that API Gateway would create. */
const FIXED = { requestId: 'JKJaXmPLvHcESHA=', time: '22/Nov/2026:08:09:35 +0000', timeEpoch: 1795334975431 };

export function sampleEvent(operation: Operation): APIGatewayProxyEventV2 {
  const example = examples.find(({ endpoint }) => endpoint === operation);
  const tenant = [...routes, fallback].some(({ name, tenant }) => name === operation && tenant);
  const { parameters, query } = example ? addressOf(example) : {};
  const event = eventFor(operation, {
    ...(tenant && { headers: { 'X-Tenant-ID': SAMPLE_TENANT } }),
    ...(example?.parameters && { parameters, query }),
    body: example?.body,
  });
  return { ...event, requestContext: { ...event.requestContext, ...FIXED } };
}

/** The status that an empty cache responds with. */
export function sampleStatus(operation: Operation): number {
  if (operation === fallback.name) return 404;
  return examples.find(({ endpoint }) => endpoint === operation)?.response.status ?? 200;
}

if (import.meta.main) {
  for (const { name } of [...routes, fallback]) {
    const text = JSON.stringify(sampleEvent(name), undefined, 2);
    writeFileSync(new URL(`${name}.json`, import.meta.url), `${text}\n`);
  }
}
