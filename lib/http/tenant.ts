import type { APIGatewayProxyEventV2, APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda';
import { MissingTenantError, TenantMismatchError } from '../errors.ts';
import type { RequestContext } from '../request-context.ts';
import type { Middleware } from './request.ts';
import { tenantSchema, validate } from './schemas.ts';

/**
 * Reads the tenant: from the `X-Tenant-ID` header or, where callers bring a JWT, from its claim. With a claim the header is not
 * needed, and may name no other tenant.
 *
 * @param tenantClaim the claim's name; undefined where the header names the tenant
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

/** API Gateway has verified the token. Without a token there is no claim, and so no tenant. */
function claimOf({ requestContext }: APIGatewayProxyEventV2, name: string): string | undefined {
  const { authorizer }: Partial<JwtContext> = requestContext ?? {};
  // With an IAM authorizer there is no `jwt`.
  const claim = authorizer?.jwt?.claims?.[name];
  return typeof claim === 'string' ? claim : undefined;
}

type JwtContext = APIGatewayProxyEventV2WithJWTAuthorizer['requestContext'];

/** @throws TenantMismatchError when a request names another tenant than the caller's own */
export function requireOwnTenant({ tenant }: RequestContext, named: string | undefined): void {
  if (named !== tenant) throw new TenantMismatchError();
}
