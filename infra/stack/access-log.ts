import type { AuthorizationSettings } from './settings/types.ts';

/**
 * Fields of a line in the access log, with short names, because each byte is paid for. API Gateway writes all values as text, and `-` for
 * a missing value. Lines need no time: CloudWatch has it.
 *
 * API Gateway cannot log request headers, so the tenant is logged only if it comes from a token. Otherwise use `id`: the `request` line
 * in the function's log has it as `gateway_request_id`, and the tenant.
 */
export function accessLogFields(authorization: AuthorizationSettings): Record<string, string> {
  return {
    id: '$context.requestId',
    route: '$context.routeKey',
    status: '$context.status',
    ms: '$context.responseLatency',
    bytes: '$context.responseLength',
    ip: '$context.identity.sourceIp',
    ...callerFields(authorization),
    // Of API Gateway itself, which answers with a body of its own.
    error: '$context.error.message',
    // Why a function has not answered. The metric `FunctionErrors` counts lines with a reason.
    function_error: '$context.integration.error',
  };
}

function callerFields(authorization: AuthorizationSettings): Record<string, string> {
  if (authorization.kind === 'iam') return { caller: '$context.identity.userArn' };
  if (authorization.kind === 'none') return {};
  const { tenantClaim } = authorization;
  return {
    subject: '$context.authorizer.claims.sub',
    authorization_error: '$context.authorizer.error',
    // API Gateway's variables may contain only letters, digits and underscores.
    ...(/^\w+$/.test(tenantClaim) && { tenant: `$context.authorizer.claims.${tenantClaim}` }),
  };
}
