import { describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import { createRequestContext } from '../../lib/http/request.ts';
import { readTenant } from '../../lib/http/tenant.ts';
import { openApiDocument } from '../../lib/openapi/document.ts';
import type { ResponseObject } from '../../lib/openapi/operation.ts';

/** The tenant of a request, with the claims that API Gateway has verified and the tenant that the header names. */
function tenantOf(claims: Record<string, unknown> | undefined, header?: string): string {
  return readTenantOf('custom:tenant', {
    headers: { ...(header !== undefined && { 'x-tenant-id': header }) },
    requestContext: claims ? { authorizer: { jwt: { claims, scopes: [] } } } : {},
  });
}

/** Runs the middleware alone, on the parts of middy's request that it uses. */
function readTenantOf(claim: string | undefined, given: unknown): string {
  const request = createRequestContext('get', given, undefined, 900);
  readTenant(claim).before?.({ event: request.event, context: { request } } as never);
  return request.tenant;
}

describe("where the tenant is a token's claim", () => {
  test('the header is not needed', () => {
    expect(tenantOf({ 'custom:tenant': 'acme' })).toBe('acme');
  });

  test('the header may say the same', () => {
    expect(tenantOf({ 'custom:tenant': 'acme' }, 'acme')).toBe('acme');
  });

  test.each(['other', 'ACME', 'acme ', 'acme,acme', '*'])('a header that says %j is refused', (header) => {
    expect(() => tenantOf({ 'custom:tenant': 'acme' }, header)).toThrow(
      expect.objectContaining({ status: 403, code: 'TENANT_MISMATCH' }),
    );
  });

  test.each([[{}], [undefined], [{ tenant: 'acme' }], [{ 'custom:tenant': '' }], [{ 'custom:tenant': 7 }]])(
    'a request with the claims %j has no tenant, whatever its header says',
    (claims) => {
      for (const header of [undefined, 'acme']) {
        expect(() => tenantOf(claims, header)).toThrow(
          expect.objectContaining({
            status: 401,
            code: 'MISSING_TENANT_ID',
            message: 'The token has no claim custom:tenant',
          }),
        );
      }
    },
  );

  test('the OpenAPI document has the failure as it is answered', () => {
    const { content } = openApiDocument(readConfig({ TENANT_CLAIM: 'custom:tenant' })).components.responses
      .MissingTenantError as ResponseObject;
    expect(content?.['application/json']?.examples?.MISSING_TENANT_ID?.value).toMatchObject({
      error: { code: 'MISSING_TENANT_ID', message: 'The token has no claim custom:tenant' },
    });
  });

  test.each(['a b', '[acme other]', '{acme}', 'x'.repeat(129)])('a claim %j is no tenant', (claim) => {
    expect(() => tenantOf({ 'custom:tenant': claim })).toThrow(expect.objectContaining({ status: 400 }));
  });
});

test('where the tenant is named by the header, a request without it is told so', () => {
  expect(() => readTenantOf(undefined, { headers: {}, requestContext: {} })).toThrow(
    expect.objectContaining({
      status: 401,
      code: 'MISSING_TENANT_ID',
      message: 'The X-Tenant-ID header is required',
    }),
  );
});
