import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, describe, expect, it } from 'vitest';
import { build } from '../../infra/build/functions.ts';
import type { CacheStack } from '../../infra/stack/stack.ts';
import { readConfig } from '../../lib/config/config.ts';
import { fallback, routes } from '../../lib/routes.ts';
import {
  AUTHORIZATIONS,
  BACKENDS,
  construct,
  EXTERNAL_IAM,
  resources,
  synthesize,
  VARIANTS,
} from './synthesize.ts';
import {
  attributeOf,
  FUNCTIONS,
  ourFunctions,
  type Statement,
  statementsOf,
  variablesOf,
  WITH_STORE,
  WITHOUT_STORE,
} from './template.ts';

const directory = mkdtempSync(join(tmpdir(), 'cache-stack-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const templates = Object.fromEntries(
  Object.entries(VARIANTS).map(([name, context]) => [name, synthesize(context).template]),
);
const template = templates.elasticache as Template;

const every = (check: (template: Template, backend: string) => void) => {
  for (const [backend, of] of Object.entries(templates)) check(of, backend);
};

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
    every((of, backend) => {
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

describe('the permissions of a function', () => {
  it('allow writing its own log', () => {
    every((of) => {
      for (const [id, { LoggingConfig }] of Object.entries(ourFunctions(of))) {
        const { Ref } = (LoggingConfig as { LogGroup: { Ref: string } }).LogGroup;
        expect(statementsOf(of, id).filter(({ Action }) => String(Action).includes('logs:'))).toEqual([
          {
            Effect: 'Allow',
            Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
            Resource: { 'Fn::GetAtt': [Ref, 'Arn'] },
          },
        ]);
      }
    });
  });

  it('name their resources, except for network interfaces', () => {
    every((of, backend) => {
      for (const id of Object.keys(FUNCTIONS)) {
        const onAll = statementsOf(of, id).filter(({ Resource }) => JSON.stringify(Resource).includes('*'));
        const actions = onAll.flatMap(({ Action }: Statement) => Action);
        const inVpc = ourFunctions(of)[id]?.VpcConfig !== undefined;
        expect(actions.length > 0, `${backend} ${id}`).toBe(inVpc);
        for (const action of actions)
          expect(action).toMatch(/^ec2:\w+(NetworkInterfaces?|Subnets|PrivateIpAddresses)$/);
      }
    });
  });

  it('deny the code of functions what Lambda needs for their network interfaces', () => {
    every((of, backend) => {
      for (const id of Object.keys(FUNCTIONS)) {
        const network = statementsOf(of, id).filter(({ Action }) => JSON.stringify(Action).includes('ec2:'));
        const [allowed, denied, ...more] = network;
        expect(more, `${backend} ${id}`).toEqual([]);
        if (!allowed) continue;
        expect(allowed).toMatchObject({ Effect: 'Allow' });
        expect(allowed).not.toHaveProperty('Condition');
        expect(denied).toMatchObject({ Effect: 'Deny', Action: allowed.Action, Resource: '*' });
        expect(JSON.stringify(denied)).toMatch(
          /"Condition":\{"ArnLike":\{"lambda:SourceFunctionArn":.*:lambda:.*:function:\*"/,
        );
      }
    });
  });

  it('have the permissions boundary of the CDK context', () => {
    const { template: bounded } = synthesize({
      ...BACKENDS.dragonfly,
      trafficShift: 'Canary10Percent5Minutes',
      '@aws-cdk/core:permissionsBoundary': { name: 'developers' },
    });
    const roles = Object.entries(resources(bounded, 'AWS::IAM::Role'));
    expect(roles.length).toBeGreaterThan(Object.keys(FUNCTIONS).length);
    expect(roles.map(([id]) => id)).toContainEqual(expect.stringMatching(/^TrafficShift/));
    for (const [id, { PermissionsBoundary }] of roles) {
      expect(JSON.stringify(PermissionsBoundary), id).toMatch(/:policy\/developers"/);
    }
  });

  it('contain no wildcard actions', () => {
    every((of) => {
      for (const { PolicyDocument } of Object.values(resources(of, 'AWS::IAM::Policy'))) {
        for (const { Action } of (PolicyDocument as { Statement: Statement[] }).Statement) {
          for (const action of [Action].flat()) expect(action).not.toContain('*');
        }
      }
    });
  });

  it('allow only logging without a store', () => {
    every((of) => {
      for (const id of WITHOUT_STORE) expect(statementsOf(of, id), id).toHaveLength(1);
    });
  });

  it('belong to a role of this function only', () => {
    every((of) => {
      const roles = Object.values(ourFunctions(of)).map(({ Role }) => attributeOf(Role));
      expect(new Set(roles).size).toBe(roles.length);
    });
  });
});

describe('every log', () => {
  it('is kept for 30 days or logRetentionDays, and removed with the stack', () => {
    const { template: short } = synthesize({ ...BACKENDS.dragonfly, logRetentionDays: '7' });
    for (const [of, days] of [
      ...Object.values(templates).map((of) => [of, 30] as const),
      [short, 7] as const,
    ]) {
      const groups = Object.values(of.findResources('AWS::Logs::LogGroup'));
      expect(groups.length).toBeGreaterThanOrEqual(Object.keys(FUNCTIONS).length);
      for (const { Properties, DeletionPolicy } of groups) {
        expect(Properties.RetentionInDays).toBe(days);
        expect(DeletionPolicy).toBe('Delete');
      }
    }
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
    every((of) => {
      for (const id of Object.keys(FUNCTIONS)) {
        expect(Object.keys(variablesOf(of, id)).sort()).toEqual([...read].sort());
      }
    });
  });

  it("are empty without a setting, so that the service's defaults apply", () => {
    const { METRICS_NAMESPACE, ...variables } = variablesOf(
      templates.memory as Template,
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
    every((of) => {
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
    every((of) => {
      for (const id of WITH_STORE) {
        const { DRAGONFLY_URL } = variablesOf(of, id);
        expect(JSON.stringify(DRAGONFLY_URL)).not.toMatch(/:\/\/[^"/]*:[^"/]*@/);
        expect(JSON.stringify(variablesOf(of, id))).not.toContain('{{resolve:');
      }
    });
  });
});

/** The errors for which the CDK refuses to synthesize the stack. */
const errorsIn = (stack: CacheStack) =>
  stack.node.findAll().flatMap(({ node }) => node.metadata.filter(({ type }) => type === 'aws:cdk:error'));

describe('a setting that names a region', () => {
  it.each([
    ['alarmTopicArn', { alarmTopicArn: 'arn:aws:sns:eu-west-1:123456789012:on-call' }],
    [
      'certificateArn',
      {
        domainName: 'cache.example.com',
        certificateArn: 'arn:aws:acm:eu-west-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555',
      },
    ],
    ['availabilityZones', { backend: 'elasticache', availabilityZones: 'eu-west-1a,eu-west-1b' }],
    [
      'externalIamCache',
      { ...EXTERNAL_IAM, externalIamCache: EXTERNAL_IAM.externalIamCache.replace('us-east-1', 'eu-west-1') },
    ],
    [
      'dragonflyImage',
      {
        backend: 'dragonfly',
        dragonflyImage: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/dragonfly:v1.40.1',
      },
    ],
  ])('must name that of the stack, if it is known: %s', (name, context) => {
    const inRegion = (region: string) => ({ env: { account: '123456789012', region } });
    const given = { ...BACKENDS.memory, ...context };
    expect(() => synthesize(given, inRegion('us-east-1'))).toThrow(
      `${name} must be in the stack's region, us-east-1`,
    );
    // Without a synthesis, which would take most of the test's time.
    expect(errorsIn(construct(given, inRegion('us-east-1')).stack)).toHaveLength(1);
    for (const props of [inRegion('eu-west-1'), {}]) {
      expect(errorsIn(construct(given, props).stack)).toEqual([]);
    }
  });
});

describe('the API', () => {
  it('may invoke every function, as the only principal', () => {
    const permissions = Object.values(resources(template, 'AWS::Lambda::Permission')).filter(
      ({ FunctionName }) => attributeOf(FunctionName) !== 'MeasureBackendFunction',
    );
    const invocable = permissions.map(({ FunctionName }) => attributeOf(FunctionName));
    expect([...new Set(invocable)].sort()).toEqual(Object.keys(FUNCTIONS).sort());
    for (const permission of permissions) {
      expect(permission).toMatchObject({
        Action: 'lambda:InvokeFunction',
        Principal: 'apigateway.amazonaws.com',
      });
      expect(permission).toHaveProperty('SourceArn');
    }
  });

  it('has exactly the routes of the table, each with its own function', () => {
    const table = [
      ...routes.flatMap(({ name, method, paths }) =>
        (method === 'GET' ? ['GET', 'HEAD'] : [method]).flatMap((verb) =>
          paths.map((path) => [`${verb} ${path}`, name]),
        ),
      ),
      ...fallback.paths.map((path) => [path, fallback.name]),
    ];
    const integrations = resources(template, 'AWS::ApiGatewayV2::Integration');
    const served = Object.values(resources(template, 'AWS::ApiGatewayV2::Route')).map(
      ({ RouteKey, Target }) => {
        const [, { Ref }] = (Target as { 'Fn::Join': [string, [string, { Ref: string }]] })['Fn::Join'][1];
        const { IntegrationUri, PayloadFormatVersion } = integrations[Ref] ?? {};
        expect(PayloadFormatVersion).toBe('2.0');
        return [RouteKey, FUNCTIONS[attributeOf(IntegrationUri)]];
      },
    );
    expect(served.sort()).toEqual(table.sort());
    expect(Object.keys(resources(template, 'AWS::ApiGatewayV2::Api'))).toHaveLength(1);
  });
});
