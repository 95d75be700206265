import type { APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda';
import { MissingTenantError, TenantMismatchError } from '../errors.ts';
import type { CacheEvent, Middleware } from './event.ts';
import { tenantSchema, validate } from './schemas.ts';

/**
 * Whose request it is: the tenant that the header names, or, where callers bring a JWT, the one in its claim. Then the header
 * is not needed, and may not say anything else.
 */
export function identifying(tenantClaim: string | undefined): Middleware {
  return {
    before: ({ event }) => {
      const given = event.headers['x-tenant-id'];
      const claimed = tenantClaim === undefined ? given : claimOf(event, tenantClaim);
      if (!claimed) throw new MissingTenantError(tenantClaim);
      if (given && given !== claimed) throw new TenantMismatchError();
      event.tenant = validate(tenantSchema, claimed, tenantClaim ?? 'X-Tenant-ID');
    },
  };
}

/** API Gateway has verified the token; without one there is no claim, and so no tenant. */
function claimOf({ requestContext }: CacheEvent, name: string): string | undefined {
  const claim = (requestContext as Partial<JwtContext>)?.authorizer?.jwt?.claims[name];
  return typeof claim === 'string' ? claim : undefined;
}

type JwtContext = APIGatewayProxyEventV2WithJWTAuthorizer['requestContext'];

/** @throws TenantMismatchError when a request names another tenant than the one it is made for */
export function requireOwnTenant(event: CacheEvent, named: string | undefined): void {
  if (named !== event.tenant) throw new TenantMismatchError();
}
