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

/** What the independent validator has against a document. */
async function problemsOf(given: object): Promise<unknown> {
  const { valid, errors: problems } = await new Validator().validate({ ...structuredClone(given) });
  return valid ? [] : problems;
}

/** All members of a kind in a document, wherever they stand. */
function found<T>(given: unknown, pick: (name: string, member: unknown) => T | undefined): T[] {
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given).flatMap(([name, member]) => {
    const picked = pick(name, member);
    return [...(picked === undefined ? [] : [picked]), ...found(member, pick)];
  });
}

const refsOf = (given: unknown) =>
  found(given, (name, member) => (name === '$ref' ? String(member) : undefined));

describe.each(variants)('the document for %s', (_, described) => {
  test('is valid OpenAPI 3.1', async () => {
    expect(described.openapi).toMatch(/^3\.1\./);
    expect(await problemsOf(described)).toEqual([]);
  });

  test('refers to nothing that it does not have, and has nothing that it does not refer to', () => {
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

  test('has every path of every route, and no other', () => {
    const table = routes.flatMap(({ method, paths }) => paths.map((path) => `${method} ${path}`));
    expect(
      operationsOf(described)
        .map(({ method, path }) => `${method} ${path}`)
        .sort(),
    ).toEqual(table.sort());
  });

  test('has a name of its own, a summary and a description for every operation', () => {
    const all = Object.values(described.paths).flatMap((methods) => Object.values(methods));
    expect(new Set(all.map(({ operationId }) => operationId)).size).toBe(all.length);
    const headings = described.tags.map(({ name }) => name);
    for (const { operationId, summary, description, tags } of all) {
      expect(summary, operationId).toMatch(/\w/);
      expect(description, operationId).toMatch(/\.$/);
      expect(headings, operationId).toEqual(expect.arrayContaining(tags));
    }
  });

  test('has every class of failure that an operation can answer, with its code, and the other one in its text', () => {
    const classes = Object.keys(errors).filter(
      (name) => !['MethodNotAllowedError', 'ServiceError'].includes(name),
    );
    expect(described.info.description).toContain('METHOD_NOT_ALLOWED');
    const codes = found(described, (name, member) =>
      name === 'code' ? (member as { const: string }).const : undefined,
    );
    expect(new Set(codes).size).toBe(classes.length);
  });
});

test('the validator sees what is wrong with a document', async () => {
  expect(await problemsOf({ ...document, paths: { '/health': { get: { responses: [] } } } })).not.toEqual([]);
});

describe('what the document says of callers', () => {
  test('is nothing on a local server, which asks nobody who they are', () => {
    expect(document.security).toEqual([]);
    expect(document.components).not.toHaveProperty('securitySchemes');
  });

  test('is a signature on Lambda, and a token where its claim names the tenant', () => {
    expect(signed).toMatchObject({ security: [{ signature: [] }] });
    expect(signed.components.securitySchemes).toMatchObject({
      signature: { type: 'apiKey', in: 'header', name: 'Authorization' },
    });
    expect(token).toMatchObject({ security: [{ token: [] }] });
    expect(token.components.securitySchemes).toMatchObject({ token: { type: 'http', scheme: 'bearer' } });
  });

  test('does not hold for what serves no tenant', () => {
    for (const described of [signed, token]) {
      for (const { name, method, paths, tenant } of routes) {
        const operation = described.paths[paths[0]]?.[method.toLowerCase()];
        expect(operation?.security, name).toEqual(tenant ? undefined : []);
      }
    }
  });
});

describe('the document that is served', () => {
  /** Settings that callers notice. */
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

  test('is made from the settings, alike by both but for how callers prove who they are', async () => {
    const plain = (given: object): unknown => JSON.parse(JSON.stringify(given));
    expect(await fromService()).toEqual(plain(openApiDocument(readConfig(settings))));
    const onLambda = readConfig({ ...settings, AWS_LAMBDA_FUNCTION_NAME: 'f' });
    expect(await fromFunction()).toEqual(plain(openApiDocument(onLambda)));
  });

  test('tells the name, the version and the limits of the service', async () => {
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
    // Generators of types take a member that has one for one that is always there.
    expect(components.schemas).not.toHaveProperty(`${ttl}.default`);
    expect(components.schemas.BatchKeysRequest).toMatchObject({
      properties: { keys: { minItems: 1, maxItems: 100 } },
    });
  });
});
