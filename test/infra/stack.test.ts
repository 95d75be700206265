import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { build } from '../../infra/build.ts';
import { CacheStack } from '../../infra/stack.ts';
import { readConfig } from '../../lib/config.ts';
import { fallback, type Operation, routes } from '../../lib/http/routes.ts';

/** Which function serves which operation: names that people type, so they stand here a second time. */
const FUNCTIONS: Record<string, Operation> = {
  GetFunction: 'get',
  SetFunction: 'set',
  DeleteFunction: 'delete',
  InvalidateFunction: 'invalidate',
  ClearTenantFunction: 'clear-tenant',
  HealthFunction: 'health',
  NotFoundFunction: 'not-found',
};

const directory = mkdtempSync(join(tmpdir(), 'cache-stack-'));
let bundles: string;
let template: Template;

function synthesize(context: Record<string, unknown> = {}): Template {
  const app = new App({ outdir: join(directory, 'cdk.out'), context });
  return Template.fromStack(new CacheStack(app, 'CacheService', { bundles }));
}

beforeAll(async () => {
  bundles = (await build(join(directory, 'bundles'))).outdir;
  template = synthesize();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** The properties of every resource of a type, by logical id. */
function resources(type: string, from = template): Record<string, Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(from.findResources(type)).map(([id, { Properties }]) => [id, Properties]),
  );
}

const functions = (from = template) => resources('AWS::Lambda::Function', from);

describe('the functions', () => {
  it('are one for each operation of the route table, each with its own handler', () => {
    const handlers = Object.entries(functions()).map(([id, { Handler }]) => [id, Handler]);
    const expected = Object.entries(FUNCTIONS).map(([id, operation]) => [id, `${operation}.handler`]);
    expect(Object.fromEntries(handlers)).toEqual(Object.fromEntries(expected));
    expect(Object.values(FUNCTIONS).sort()).toEqual([...routes, fallback].map(({ name }) => name).sort());
  });

  it('run on Node 24 on arm64', () => {
    for (const [id, { Runtime, Architectures }] of Object.entries(functions())) {
      expect({ Runtime, Architectures }, id).toEqual({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
    }
  });

  it('end before API Gateway stops waiting, also those that walk through a tenant', () => {
    const timeouts = Object.entries(functions()).map(([id, { Timeout }]) => [id, Timeout]);
    expect(Object.fromEntries(timeouts)).toEqual({
      GetFunction: 5,
      SetFunction: 5,
      DeleteFunction: 5,
      InvalidateFunction: 29,
      ClearTenantFunction: 29,
      HealthFunction: 5,
      NotFoundFunction: 5,
    });
  });

  it('log JSON, none of it dropped by the platform, into groups that forget after a month', () => {
    const groups = resources('AWS::Logs::LogGroup');
    const used = Object.values(functions()).map(({ LoggingConfig }) => {
      const { LogGroup, ...format } = LoggingConfig as { LogGroup: { Ref: string } };
      expect(format).toEqual({ LogFormat: 'JSON', ApplicationLogLevel: 'TRACE' });
      return LogGroup.Ref;
    });
    expect(used.sort()).toEqual(Object.keys(groups).sort());
    for (const { RetentionInDays } of Object.values(groups)) expect(RetentionInDays).toBe(30);
  });

  it('are packed in an asset that holds and exports every handler', () => {
    const keys = Object.values(functions()).map(({ Code }) => (Code as { S3Key: string }).S3Key);
    const [key, ...others] = new Set(keys);
    expect(others).toEqual([]);
    const asset = join(directory, 'cdk.out', `asset.${key?.replace(/\.zip$/, '')}`);
    const load = `
      const types = {};
      for (const name of ${JSON.stringify(Object.values(FUNCTIONS))}) {
        types[name] = typeof (await import(${JSON.stringify(asset)} + '/' + name + '.mjs')).handler;
      }
      console.log(JSON.stringify(types));`;
    const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', load], { env: {} });
    expect(JSON.parse(printed.toString())).toEqual(
      Object.fromEntries(Object.values(FUNCTIONS).map((operation) => [operation, 'function'])),
    );
  });
});

describe('the settings', () => {
  const environmentOf = (from: Template) =>
    Object.values(functions(from)).map(
      ({ Environment }) => (Environment as { Variables: Record<string, string> }).Variables,
    );

  it('are declared to be every one that a function reads, so that tools can override them', () => {
    const read = new Set<string>();
    const recorder = new Proxy<Record<string, string>>({}, { get: (_, name) => void read.add(String(name)) });
    readConfig(recorder);
    read.delete('SERVICE_PORT');
    read.delete('AWS_LAMBDA_FUNCTION_NAME');
    for (const variables of environmentOf(template)) {
      expect(Object.keys(variables).sort()).toEqual([...read].sort());
    }
  });

  it('are left to the defaults of the service unless they are given', () => {
    for (const variables of environmentOf(template)) {
      expect(Object.values(variables).filter((value) => value !== '')).toEqual([]);
      expect(readConfig(variables)).toEqual(readConfig({}));
    }
  });

  it('reach every function when the context gives them under their own names', () => {
    const given = { DRAGONFLY_URL: 'dragonflys://cache.internal:6379', CACHE_SHARDS: 4 };
    for (const variables of environmentOf(synthesize(given))) {
      expect(variables).toMatchObject({
        DRAGONFLY_URL: 'dragonflys://cache.internal:6379',
        CACHE_SHARDS: '4',
      });
    }
  });

  it('that no function could start with stop the synthesis, by their name', () => {
    expect(() => synthesize({ MAX_TTL_SECONDS: 'long' })).toThrow(/^MAX_TTL_SECONDS /);
  });
});

describe('the HTTP API', () => {
  const table = [
    ...routes.flatMap(({ name, method, paths }) => paths.map((path) => [`${method} ${path}`, name])),
    ...fallback.paths.map((path) => [path, fallback.name]),
  ];

  it('has every route of the table and nothing else, each to its own function', () => {
    const integrations = resources('AWS::ApiGatewayV2::Integration');
    const served = Object.values(resources('AWS::ApiGatewayV2::Route')).map(({ RouteKey, Target }) => {
      const integrationId = (Target as { 'Fn::Join': [string, [string, { Ref: string }]] })['Fn::Join'][1][1]
        .Ref;
      const { IntegrationUri, PayloadFormatVersion } = integrations[integrationId] ?? {};
      expect(PayloadFormatVersion).toBe('2.0');
      return [RouteKey, FUNCTIONS[(IntegrationUri as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0]]];
    });
    expect(served.sort()).toEqual(table.sort());
    expect(Object.keys(resources('AWS::ApiGatewayV2::Api'))).toHaveLength(1);
  });

  it('is closed to unsigned requests, except for the health check', () => {
    const authorization = Object.values(resources('AWS::ApiGatewayV2::Route')).map(
      ({ RouteKey, AuthorizationType }) => [RouteKey, AuthorizationType],
    );
    const expected = table.map(([routeKey]) => [routeKey, routeKey === 'GET /health' ? 'NONE' : 'AWS_IAM']);
    expect(authorization.sort()).toEqual(expected.sort());
  });

  it('may invoke every function, and nobody else may', () => {
    const permissions = Object.values(resources('AWS::Lambda::Permission'));
    const invocable = permissions.map(
      ({ FunctionName }) => (FunctionName as { 'Fn::GetAtt': [string] })['Fn::GetAtt'][0],
    );
    expect([...new Set(invocable)].sort()).toEqual(Object.keys(FUNCTIONS).sort());
    for (const permission of permissions) {
      expect(permission).toMatchObject({
        Action: 'lambda:InvokeFunction',
        Principal: 'apigateway.amazonaws.com',
      });
      expect(permission).toHaveProperty('SourceArn');
    }
  });
});
