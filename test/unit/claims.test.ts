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

describe('with a tenant claim in the token', () => {
  test('the header is not needed', () => {
    expect(tenantOf({ 'custom:tenant': 'acme' })).toBe('acme');
  });

  test('the header may name the same tenant', () => {
    expect(tenantOf({ 'custom:tenant': 'acme' }, 'acme')).toBe('acme');
  });

  test.each(['other', 'ACME', 'acme ', 'acme,acme', '*'])(
    'a header with the value %j is rejected',
    (header) => {
      expect(() => tenantOf({ 'custom:tenant': 'acme' }, header)).toThrow(
        expect.objectContaining({ status: 403, code: 'TENANT_MISMATCH' }),
      );
    },
  );

  test.each([[{}], [undefined], [{ tenant: 'acme' }], [{ 'custom:tenant': '' }], [{ 'custom:tenant': 7 }]])(
    'a request with the claims %j has no tenant, even with a tenant header',
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

  test('the OpenAPI document contains the error as it is returned', () => {
    const { content } = openApiDocument(readConfig({ TENANT_CLAIM: 'custom:tenant' })).components.responses
      .MissingTenantError as ResponseObject;
    expect(content?.['application/json']?.examples?.MISSING_TENANT_ID?.value).toMatchObject({
      error: { code: 'MISSING_TENANT_ID', message: 'The token has no claim custom:tenant' },
    });
  });

  test.each(['a b', '[acme other]', '{acme}', 'x'.repeat(129)])(
    'a claim with the value %j is rejected',
    (claim) => {
      expect(() => tenantOf({ 'custom:tenant': claim })).toThrow(expect.objectContaining({ status: 400 }));
    },
  );
});

test('without a tenant claim, a request without the header gets an error that names the header', () => {
  expect(() => readTenantOf(undefined, { headers: {}, requestContext: {} })).toThrow(
    expect.objectContaining({
      status: 401,
      code: 'MISSING_TENANT_ID',
      message: 'The X-Tenant-ID header is required',
    }),
  );
});
