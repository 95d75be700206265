import type { AuthorizationSettings } from './settings/types.ts';

/**
 * Fields of a line in the access log. API Gateway writes all values as text, and `-` for a missing value.
 *
 * API Gateway cannot log request headers, so the tenant is logged only if it comes from a token. Otherwise use `invocation_id`: the
 * function's log has the `request` line with the tenant between the invocation's start and end lines.
 */
export function accessLogFields(authorization: AuthorizationSettings): Record<string, string> {
  return {
    time: '$context.requestTime',
    request_id: '$context.requestId',
    route: '$context.routeKey',
    method: '$context.httpMethod',
    status: '$context.status',
    response_bytes: '$context.responseLength',
    latency_ms: '$context.responseLatency',
    integration_latency_ms: '$context.integration.latency',
    integration_status: '$context.integration.integrationStatus',
    invocation_id: '$context.integration.requestId',
    error: '$context.error.message',
    error_type: '$context.error.responseType',
    integration_error: '$context.integration.error',
    source_ip: '$context.identity.sourceIp',
    ...callerFields(authorization),
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
