import { SAMPLE_TENANT } from '../components.ts';
import { type EndpointDocumentation, forbidden, OTHER_TENANT, ok, PROFILE } from '../endpoint.ts';
import { count, object, type Schema, schemaRef } from '../json-schema.ts';

export function usage(): EndpointDocumentation {
  return {
    operationIds: ['getUsage'],
    tag: 'Tenant',
    summary: 'Get the usage and the limits of the tenant',
    description:
      'On a backend it costs the same for ten entries and for ten million. The embedded store visits each entry.',
    schemas: {
      Usage: object({
        tenant_id: schemaRef('TenantId'),
        entries: count('Live entries.'),
        bytes: object({
          estimated: count(
            'Size of the entries as they are stored, without keys and indexes, projected from a sample.',
          ),
          sampled: count('Entries in the sample. If it contains all entries, the size is exact.'),
          missing: count('Sampled entries that the backend has evicted, or that expired during the request.'),
        }),
        limits: object(
          {
            entries: limit('Entries. Above it, those that expire soonest are evicted.'),
            bytes: limit(
              'Bytes of the entries, as `bytes.estimated`. Above it, those that expire soonest are evicted.',
            ),
            requests_per_second: limit('Requests per second. Above it, they are rejected with 429.'),
            burst: limit('Requests that may be sent at once.'),
          },
          { description: "The tenant's limits; null: none." },
        ),
        backend,
      }),
    },
    successes: [
      { status: 200, description: 'Number and size of the entries, and their limits.', data: 'Usage' },
    ],
    failures: ['TenantMismatchError'],
    examples: [
      {
        name: 'usage',
        summary: 'A tenant with one entry',
        given: [{ key: 'user:123', value: PROFILE }],
        parameters: { tenant_id: SAMPLE_TENANT },
        response: ok({
          tenant_id: SAMPLE_TENANT,
          entries: 1,
          bytes: { estimated: 71, sampled: 1, missing: 0 },
          limits: { entries: null, bytes: null, requests_per_second: null, burst: null },
          backend: 'dragonfly',
        }),
      },
      { name: 'other-tenant', summary: 'Another tenant', parameters: OTHER_TENANT, response: forbidden },
    ],
  };
}

function limit(description: string): Schema {
  return { type: ['integer', 'null'], minimum: 1, description };
}

/** The kind of the backend, in responses. */
export const backend: Schema = {
  enum: ['memory', 'dragonfly'],
  description:
    '`memory` is the embedded store. `dragonfly` is any server that speaks the Redis protocol: Dragonfly, Valkey, Redis or ElastiCache.',
};
