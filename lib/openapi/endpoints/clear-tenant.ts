import { SAMPLE_TENANT } from '../components.ts';
import { type EndpointDocumentation, forbidden, noContent, OTHER_TENANT, PROFILE } from '../endpoint.ts';

export function clearTenant(): EndpointDocumentation {
  return {
    operationIds: ['clearTenant'],
    tag: 'Tenant',
    summary: 'Clear the tenant',
    description:
      "Removes every entry of the caller's own tenant. All of them are unreadable before the memory of any is reclaimed.",
    successes: [{ status: 204, description: 'The tenant has no entries.' }],
    failures: ['TenantMismatchError'],
    examples: [
      {
        name: 'own',
        summary: "The caller's own tenant",
        given: [{ key: 'user:123', value: PROFILE }],
        parameters: { tenant_id: SAMPLE_TENANT },
        response: noContent,
      },
      { name: 'other-tenant', summary: 'Another tenant', parameters: OTHER_TENANT, response: forbidden },
    ],
  };
}
