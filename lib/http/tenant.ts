import type { APIGatewayProxyEventV2, APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda';
import { MissingTenantError, TenantMismatchError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import type { Middleware } from './request.ts';
import { tenantSchema, validate } from './schemas.ts';

/**
 * Reads the tenant from the claim of a JWT or, without a claim, from the header `X-Tenant-ID`. With a claim the header is
 * optional, and must contain the same tenant.
 *
 * @param tenantClaim name of the claim; undefined: the header contains the tenant
 */
export function readTenant(tenantClaim: string | undefined): Middleware {
  return {
    before: ({ event, context: { request } }) => {
      const given = event.headers['x-tenant-id'];
      const claimed = tenantClaim === undefined ? given : claimOf(event, tenantClaim);
      if (!claimed) throw new MissingTenantError(tenantClaim);
      if (given && given !== claimed) throw new TenantMismatchError();
      request.tenant = validate(tenantSchema, claimed, tenantClaim ?? 'X-Tenant-ID');
    },
  };
}

/** API Gateway has verified the token. */
function claimOf({ requestContext }: APIGatewayProxyEventV2, name: string): string | undefined {
  const { authorizer }: Partial<JwtContext> = requestContext ?? {};
  // With an IAM authorizer there is no `jwt`.
  const claim = authorizer?.jwt?.claims?.[name];
  return typeof claim === 'string' ? claim : undefined;
}

type JwtContext = APIGatewayProxyEventV2WithJWTAuthorizer['requestContext'];

/** @throws TenantMismatchError when the given tenant is not the caller's own */
export function requireOwnTenant({ tenant }: RequestContext, given: string | undefined): void {
  if (given !== tenant) throw new TenantMismatchError();
}
