import type { Documentation } from './documentation.ts';

export const usage: Documentation = {
  ids: ['getUsage'],
  tag: 'Tenant',
  summary: 'See what the tenant takes',
  description:
    'On a backend it costs the same for ten entries and ten million; in memory each entry is looked at.',
  answers: [{ status: 200, description: 'Entries and bytes.', data: 'Usage' }],
  failures: ['TenantMismatchError'],
};

export const clearTenant: Documentation = {
  ids: ['clearTenant'],
  tag: 'Tenant',
  summary: 'Clear the tenant',
  description:
    "Removes every entry of the caller's own tenant. All of them are unreadable before any memory is given back.",
  answers: [{ status: 204, description: 'The tenant has no entries.' }],
  failures: ['TenantMismatchError'],
};
