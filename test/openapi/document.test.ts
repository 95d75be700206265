import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readConfig } from '../../lib/config/config.ts';
import * as errors from '../../lib/errors.ts';
import { type OpenApiDocument, openApiDocument } from '../../lib/openapi/document.ts';
import { routes } from '../../lib/routes.ts';
import manifest from '../../package.json' with { type: 'json' };
import { eventFor } from '../bundles/events.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { describedRequest } from '../http/client.ts';
import { type Service, startService } from '../http/service.ts';
import { document, operationsOf, signed, token, variants } from './described.ts';

/** The errors that an independent validator reports for a document. */
async function problemsOf(given: object): Promise<unknown> {
  const { valid, errors: problems } = await new Validator().validate({ ...structuredClone(given) });
  return valid ? [] : problems;
}

/** What `pick` returns for the members of a document at any depth. */
function collect<T>(given: unknown, pick: (name: string, member: unknown) => T | undefined): T[] {
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given).flatMap(([name, member]) => {
    const picked = pick(name, member);
    return [...(picked === undefined ? [] : [picked]), ...collect(member, pick)];
  });
}

const refsOf = (given: unknown) =>
  collect(given, (name, member) => (name === '$ref' ? String(member) : undefined));

describe.each(variants)('the document for %s', (_, described) => {
  test('is valid OpenAPI 3.1', async () => {
    expect(described.openapi).toMatch(/^3\.1\./);
    expect(await problemsOf(described)).toEqual([]);
  });

  test('has no reference to a missing component, and no component without a reference', () => {
    const had = Object.entries(described.components)
      .filter(([kind]) => kind !== 'securitySchemes')
      .flatMap(([kind, members]) => Object.keys(members).map((name) => `#/components/${kind}/${name}`));
    const used = new Set(refsOf(described));
    const [missing, unused] = [new Set(used), new Set(had)];
    for (const name of had) missing.delete(name);
    for (const name of used) unused.delete(name);
    expect([...missing]).toEqual([]);
    expect([...unused]).toEqual([]);
  });

  test('contains exactly the paths of the routes', () => {
    const table = routes.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`));
    expect(
      operationsOf(described)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(table.sort());
  });

  test('contains a unique operationId, a summary and a description for every operation', () => {
    const all = Object.values(described.paths).flatMap((methods) => Object.values(methods));
    expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length);
    const headings = described.tags.map(({ name }) => name);
    for (const { operationId, summary, description, tags } of all) {
      expect(summary, operationId).toMatch(/\w/);
      expect(description, operationId).toMatch(/\.$/);
      expect(headings, operationId).toEqual(expect.arrayContaining(tags));
    }
  });

  test('contains the code of every failure of an operation, and METHOD_NOT_ALLOWED in its text', () => {
    const classes = Object.keys(errors).filter(
      (name) => !['MethodNotAllowedError', 'ServiceError'].includes(name),
    );
    expect(described.info.description).toContain('METHOD_NOT_ALLOWED');
    const codes = collect(described, (name, member) =>
      name === 'code' ? (member as { const: string }).const : undefined,
    );
    expect(new Set(codes).size).toBe(classes.length);
  });
});

test('the validator reports an error for an invalid document', async () => {
  expect(await problemsOf({ ...document, paths: { '/health': { get: { responses: [] } } } })).not.toEqual([]);
});

describe('the security of the document', () => {
  test('is empty for a local server, which does not authenticate callers', () => {
    expect(document.security).toEqual([]);
    expect(document.components).not.toHaveProperty('securitySchemes');
  });

  test('is a signature on Lambda, and a token with TENANT_CLAIM', () => {
    expect(signed).toMatchObject({ security: [{ signature: [] }] });
    expect(signed.components.securitySchemes).toMatchObject({
      signature: { type: 'apiKey', in: 'header', name: 'Authorization' },
    });
    expect(token).toMatchObject({ security: [{ token: [] }] });
    expect(token.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } });
  });

  test('does not apply to operations without a tenant', () => {
    for (const described of [signed, token]) {
      for (const { name, method, paths, tenant } of routes) {
        const operation = described.paths[paths[0]]?.[method.toLowerCase()];
        expect(operation?.security, name).toEqual(tenant ? undefined : []);
      }
    }
  });
});

describe('the served document', () => {
  /** Settings that are visible to callers. */
  const settings = {
    SERVICE_NAME: 'my cache',
    DEFAULT_TTL_SECONDS: '77',
    MAX_TTL_SECONDS: '7777',
    MAX_VALUE_BYTES: '777777',
  };
  let service: Service;
  let bundled: LambdaFunction;

  beforeAll(async () => {
    [service, bundled] = await Promise.all([startService(settings), startFunction('openapi', settings)]);
  });
  afterAll(() => Promise.all([service.stop(), bundled.stop()]));

  const fromService = async () =>
    (await describedRequest(service.port, { target: '/openapi.json' })).json() as OpenApiDocument;
  const fromFunction = async () => {
    const { statusCode, headers, body = '' } = await bundled.invoke(eventFor('openapi'));
    expect([statusCode, headers?.['content-type']]).toEqual([200, 'application/json']);
    return JSON.parse(body) as OpenApiDocument;
  };

  test.each([
    ['the local server', fromService],
    ['the bundled function', fromFunction],
  ])('is valid OpenAPI: by %s', async (_, get) => {
    const served = await get();
    expect(Object.keys(served.paths).length).toBeGreaterThan(8);
    expect(await problemsOf(served)).toEqual([]);
  });

  test('is generated from the settings, and differs between local server and function only in the security', async () => {
    const plain = (given: object): unknown => JSON.parse(JSON.stringify(given));
    expect(await fromService()).toEqual(plain(openApiDocument(readConfig(settings))));
    const onLambda = readConfig({ ...settings, AWS_LAMBDA_FUNCTION_NAME: 'f' });
    expect(await fromFunction()).toEqual(plain(openApiDocument(onLambda)));
  });

  test('contains the name, the version and the limits of the service', async () => {
    const { info, components } = await fromService();
    expect(info).toMatchObject({ title: 'my cache', version: manifest.version });
    expect(info.description).toContain('7777 seconds, 77 unless');
    expect(info.description).toContain('777777 bytes');
    expect(components.schemas.SetRequest).toMatchObject({
      required: ['key', 'value'],
      properties: { ttl: { type: ['integer', 'null'], minimum: 1, maximum: 7777 } },
    });
    const ttl = 'SetRequest.properties.ttl';
    expect(components.schemas).toHaveProperty(
      `${ttl}.description`,
      expect.stringMatching(/ 77 where .* absent/),
    );
    // Type generators treat a member with a default as required.
    expect(components.schemas).not.toHaveProperty(`${ttl}.default`);
    expect(components.schemas.BatchKeysRequest).toMatchObject({
      properties: { keys: { minItems: 1, maxItems: 100 } },
    });
  });
});
