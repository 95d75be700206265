import type { AuthorizationSettings } from './settings/types.ts';

/**
 * The fields of a line in the access log. API Gateway fills them in as text, with `-` for what a request does not have.
 *
 * Headers cannot be had here, so the tenant is named only where it comes from a token. Everywhere else `invocation_id` leads
 * to it: the function's log has the invocation's start and end under this id, and in between the line about the request.
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
    // The name of a variable ends at whatever is neither letter, digit nor underscore.
    ...(/^\w+$/.test(tenantClaim) && { tenant: `$context.authorizer.claims.${tenantClaim}` }),
  };
}
