import { invalidateSchema } from '../../http/schemas.ts';
import { SAMPLE_TIME } from '../envelope.ts';
import { SAMPLE_TENANT } from '../headers.ts';
import type { Limits } from '../limits.ts';
import { type Exchange, forbidden, gone, ok, refused } from './exchange.ts';

/** What is left goes. */
export function tenantExchanges({ serviceName }: Limits): Exchange[] {
  const other = { tenant_id: 'somebody_else' };
  const misspelled = { patern: 'doc:*' };
  return [
    {
      name: 'usage',
      summary: 'A tenant with one entry',
      operation: 'usage',
      parameters: { tenant_id: SAMPLE_TENANT },
      answer: ok({
        tenant_id: SAMPLE_TENANT,
        entries: 1,
        bytes: { estimated: 71, sampled: 1, missing: 0 },
        backend: 'dragonfly',
      }),
    },
    {
      name: 'other-tenant',
      summary: 'Another tenant',
      operation: 'usage',
      parameters: other,
      answer: forbidden,
    },
    {
      name: 'pattern',
      summary: 'All whose keys begin alike',
      operation: 'invalidate',
      body: { pattern: 'doc:*' },
      answer: ok({ pattern: 'doc:*', status: 'invalidated', count: 1 }),
    },
    {
      name: 'all',
      summary: 'All',
      operation: 'invalidate',
      body: {},
      answer: ok({ pattern: '*', status: 'invalidated', count: 0 }),
    },
    {
      name: 'empty-pattern',
      summary: 'An empty pattern',
      operation: 'invalidate',
      body: { pattern: '' },
      answer: refused(invalidateSchema, { pattern: '' }, 'body'),
    },
    {
      name: 'misspelled-pattern',
      summary: 'A misspelled member, which is not taken for an invalidation of all',
      operation: 'invalidate',
      body: misspelled,
      answer: refused(invalidateSchema, misspelled, 'body'),
    },
    {
      name: 'other-tenant',
      summary: 'Another tenant',
      operation: 'invalidate',
      body: other,
      answer: forbidden,
    },
    {
      name: 'own',
      summary: "The caller's own tenant",
      operation: 'clear-tenant',
      parameters: { tenant_id: SAMPLE_TENANT },
      answer: gone,
    },
    {
      name: 'other-tenant',
      summary: 'Another tenant',
      operation: 'clear-tenant',
      parameters: other,
      answer: forbidden,
    },
    {
      name: 'healthy',
      summary: 'A backend that answers',
      operation: 'health',
      answer: {
        status: 200,
        body: {
          status: 'healthy',
          service: serviceName,
          backend: 'dragonfly',
          latency_ms: 0.412,
          timestamp: SAMPLE_TIME,
        },
      },
    },
  ];
}
