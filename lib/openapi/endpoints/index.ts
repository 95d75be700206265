import type { Limits } from '../components.ts';
import type { EndpointDocumentation, EndpointName } from '../endpoint.ts';
import { batchDelete } from './batch-delete.ts';
import { batchGet } from './batch-get.ts';
import { batchSet } from './batch-set.ts';
import { clearTenant } from './clear-tenant.ts';
import { deleteEntry } from './delete.ts';
import { get } from './get.ts';
import { health } from './health.ts';
import { invalidate } from './invalidate.ts';
import { keys } from './keys.ts';
import { lease } from './lease.ts';
import { leaseRelease } from './lease-release.ts';
import { openapi } from './openapi.ts';
import { set } from './set.ts';
import { touch } from './touch.ts';
import { usage } from './usage.ts';

/** The documentation of every endpoint that has a route. If one is missing here, this does not compile. */
export function endpointDocumentation(limits: Limits): Record<EndpointName, EndpointDocumentation> {
  return {
    get: get(limits),
    set: set(limits),
    delete: deleteEntry(),
    touch: touch(limits),
    lease: lease(limits),
    'lease-release': leaseRelease(),
    invalidate: invalidate(),
    'batch-get': batchGet(limits),
    'batch-set': batchSet(limits),
    'batch-delete': batchDelete(),
    keys: keys(limits),
    usage: usage(),
    'clear-tenant': clearTenant(),
    health: health(limits),
    openapi: openapi(),
  };
}
