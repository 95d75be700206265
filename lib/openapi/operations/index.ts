import type { routes } from '../../routes.ts';
import type { Limits } from '../limits.ts';
import * as batches from './batches.ts';
import type { Documentation } from './documentation.ts';
import * as entries from './entries.ts';
import * as service from './service.ts';
import * as tenant from './tenant.ts';

/** The name of an operation that has a route. */
export type Documented = (typeof routes)[number]['name'];

/** What is told of every operation. A route that is not told of here does not type-check. */
export function documentation(limits: Limits): Record<Documented, Documentation> {
  return {
    get: entries.get,
    set: entries.set(limits),
    delete: entries.delete,
    invalidate: entries.invalidate,
    'batch-get': batches.batchGet(limits),
    'batch-set': batches.batchSet(limits),
    'batch-delete': batches.batchDelete,
    usage: tenant.usage,
    'clear-tenant': tenant.clearTenant,
    health: service.health,
    openapi: service.openapi,
  };
}
