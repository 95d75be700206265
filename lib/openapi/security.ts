import type { Limits } from './limits.ts';

/**
 * How callers prove who they are: to whatever stands before the service, which itself asks for nothing. On one's own machine
 * nothing stands there. Undefined: there is nothing to prove.
 */
export function security({ tenantClaim, onLambda }: Limits) {
  if (tenantClaim !== undefined) {
    const description = `A token of the issuer that the deployment names. Its claim \`${tenantClaim}\` is the tenant.`;
    return scheme('token', { type: 'http', scheme: 'bearer', bearerFormat: 'JWT', description });
  }
  if (!onLambda) return undefined;
  return scheme('signature', {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    'x-amazon-apigateway-authtype': 'awsSigv4',
    description:
      'A signature of the request (AWS Signature Version 4, service `execute-api`), which an SDK makes and no form can. Not asked for by a deployment with `authorization=none`.',
  });
}

function scheme(name: string, description: object) {
  return { schemes: { [name]: description }, requirements: [{ [name]: [] }] };
}
