import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../../infra/build/functions.ts';
import { readConfig } from '../../lib/config/config.ts';
import { fallback, routes } from '../../lib/routes.ts';
import { AUTHORIZATIONS, BACKENDS, construct, everyVariant, resources, synthesize } from './synthesize.ts';
import { FUNCTIONS, ourFunctions, statementsOf, variablesOf, WITH_STORE, WITHOUT_STORE } from './template.ts';

const directory = mkdtempSync(join(tmpdir(), 'cache-functions-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const { template } = synthesize(BACKENDS.elasticache);

describe('the functions', () => {
  it('exist once per operation of the route table, each with its own handler', () => {
    const handlers = Object.entries(ourFunctions(template)).map(([id, { Handler }]) => [id, Handler]);
    const expected = Object.entries(FUNCTIONS).map(([id, operation]) => [id, `${operation}.handler`]);
    expect(Object.fromEntries(handlers)).toEqual(Object.fromEntries(expected));
    expect(Object.values(FUNCTIONS).sort()).toEqual([...routes, fallback].map(({ name }) => name).sort());
  });

  it('run on Node 24 on arm64', () => {
    for (const [id, { Runtime, Architectures }] of Object.entries(ourFunctions(template))) {
      expect({ Runtime, Architectures }, id).toEqual({ Runtime: 'nodejs24.x', Architectures: ['arm64'] });
    }
  });

  it("have timeouts below API Gateway's, sweeps included", () => {
    const timeouts = Object.entries(ourFunctions(template)).map(([id, { Timeout }]) => [id, Timeout]);
    expect(Object.fromEntries(timeouts)).toEqual({
      GetFunction: 5,
      SetFunction: 5,
      BatchGetFunction: 5,
      BatchSetFunction: 5,
      BatchDeleteFunction: 5,
      DeleteFunction: 5,
      KeysFunction: 5,
      UsageFunction: 5,
      TouchFunction: 5,
      LeaseFunction: 5,
      LeaseReleaseFunction: 5,
      InvalidateFunction: 29,
      ClearTenantFunction: 29,
      HealthFunction: 5,
      OpenapiFunction: 5,
      NotFoundFunction: 5,
    });
  });

  it('log JSON, without the reports of successful invocations, each into its own log group', () => {
    const groups = Object.values(ourFunctions(template)).map(({ LoggingConfig }) => {
      const { LogGroup, ...format } = LoggingConfig as { LogGroup: { Ref: string } };
      expect(format).toEqual({ LogFormat: 'JSON', ApplicationLogLevel: 'TRACE', SystemLogLevel: 'WARN' });
      return LogGroup.Ref;
    });
    expect(new Set(groups).size).toBe(Object.keys(FUNCTIONS).length);
    expect(Object.keys(resources(template, 'AWS::Logs::LogGroup'))).toEqual(expect.arrayContaining(groups));
  });

  it('are in the network of the cache, except those without a store', () => {
    everyVariant((of, backend) => {
      for (const [id, { VpcConfig }] of Object.entries(ourFunctions(of))) {
        const inside = !['external', 'memory'].includes(backend) && WITH_STORE.includes(id);
        expect(VpcConfig !== undefined, `${backend} ${id}`).toBe(inside);
      }
    });
  });

  it('are traced with tracing=true only, and have reserved concurrency with reservedConcurrency only', () => {
    const { template: chosen } = synthesize({ tracing: 'true', reservedConcurrency: '7' });
    for (const id of Object.keys(FUNCTIONS)) {
      const { [id]: plain } = ourFunctions(template);
      expect(plain).not.toHaveProperty('TracingConfig');
      expect(plain).not.toHaveProperty('ReservedConcurrentExecutions');
      expect(JSON.stringify(statementsOf(template, id))).not.toContain('xray');
      expect(ourFunctions(chosen)[id]).toMatchObject({
        TracingConfig: { Mode: 'Active' },
        ReservedConcurrentExecutions: 7,
      });
      expect(JSON.stringify(statementsOf(chosen, id))).toContain('xray:PutTraceSegments');
    }
  });

  it('share an asset that exports every handler', async () => {
    const { outdir: bundles } = await build(join(directory, 'bundles'));
    const outdir = join(directory, 'assembly');
    const bundled = Template.fromStack(construct({}, {}, { bundles, outdir }).stack);
    const keys = Object.values(ourFunctions(bundled)).map(({ Code }) => (Code as { S3Key: string }).S3Key);
    const [key, ...others] = new Set(keys);
    expect(others).toEqual([]);
    const asset = join(outdir, `asset.${key?.replace(/\.zip$/, '')}`);
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

describe('every log', () => {
  it('is kept for 30 days or logRetentionDays, and removed with the stack', () => {
    const { template: short } = synthesize({ ...BACKENDS.dragonfly, logRetentionDays: '7' });
    const expectDays = (of: Template, days: number) => {
      const groups = Object.values(of.findResources('AWS::Logs::LogGroup'));
      expect(groups.length).toBeGreaterThanOrEqual(Object.keys(FUNCTIONS).length);
      for (const { Properties, DeletionPolicy } of groups) {
        expect(Properties.RetentionInDays).toBe(days);
        expect(DeletionPolicy).toBe('Delete');
      }
    };
    everyVariant((of) => expectDays(of, 30));
    expectDays(short, 7);
  });
});

describe('the variables', () => {
  it('are declared for every setting that a function reads, so that tools can override them', () => {
    const read = new Set<string>();
    const recorder = new Proxy<Record<string, string>>({}, { get: (_, name) => void read.add(String(name)) });
    readConfig(recorder);
    // Settings of the local server.
    read.delete('SERVICE_HOST');
    read.delete('CORS_ORIGINS');
    read.delete('SERVICE_PORT');
    read.delete('SERVICE_WORKERS');
    read.delete('AWS_LAMBDA_FUNCTION_NAME');
    everyVariant((of) => {
      for (const id of Object.keys(FUNCTIONS)) {
        expect(Object.keys(variablesOf(of, id)).sort()).toEqual([...read].sort());
      }
    });
  });

  it("are empty without a setting, so that the service's defaults apply", () => {
    const { METRICS_NAMESPACE, ...variables } = variablesOf(
      synthesize(BACKENDS.memory).template,
      'GetFunction',
    ) as Record<string, string>;
    expect(METRICS_NAMESPACE).toBe('CacheService/prod');
    expect(Object.values(variables).filter((value) => value !== '')).toEqual([]);
    expect(readConfig(variables)).toEqual(readConfig({}));
  });

  it('have the values of the settings in every function, and the token’s claim with jwt', () => {
    const context = { CACHE_SHARDS: 4, LOG_LEVEL: 'DEBUG', ...AUTHORIZATIONS.jwt };
    const { template: given } = synthesize(context);
    for (const id of Object.keys(FUNCTIONS)) {
      expect(variablesOf(given, id)).toMatchObject({
        CACHE_SHARDS: '4',
        LOG_LEVEL: 'DEBUG',
        TENANT_CLAIM: 'tenant_id',
      });
    }
  });

  it('contain no address of a cache in functions without a store', () => {
    everyVariant((of) => {
      for (const id of WITHOUT_STORE) {
        expect(variablesOf(of, id), id).toMatchObject({
          DRAGONFLY_URL: '',
          DRAGONFLY_IAM_CACHE: '',
          DRAGONFLY_SECRET_ARN: '',
        });
      }
    });
  });

  it('contain no password', () => {
    everyVariant((of) => {
      for (const id of WITH_STORE) {
        const { DRAGONFLY_URL } = variablesOf(of, id);
        expect(JSON.stringify(DRAGONFLY_URL)).not.toMatch(/:\/\/[^"/]*:[^"/]*@/);
        expect(JSON.stringify(variablesOf(of, id))).not.toContain('{{resolve:');
      }
    });
  });
});
