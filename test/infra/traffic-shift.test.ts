import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { TRAFFIC_SHIFTS } from '../../infra/stack/settings/types.ts';
import { LONG_RUN } from '../support/long-run.ts';
import { BACKENDS, only, resources, synthesize } from './synthesize.ts';
import { attributeOf, FUNCTIONS } from './template.ts';

const SHIFT = { trafficShift: 'Canary10Percent5Minutes' };
const shifted = synthesize({ ...BACKENDS.elasticache, ...SHIFT }).template;
const provisioned = synthesize({ ...BACKENDS.elasticache, getProvisionedConcurrency: '5' }).template;
const atOnce = synthesize({ ...BACKENDS.elasticache, trafficShift: 'AllAtOnce' }).template;
const VARIANTS = [
  ['a traffic shift', shifted],
  ['aliases that move at once', atOnce],
  ['provisioned concurrency', provisioned],
] as const;

interface Alias {
  Name: string;
  FunctionName: { Ref: string };
  FunctionVersion: { 'Fn::GetAtt': [string, string] };
}

const aliasesOf = (template: Template) =>
  resources(template, 'AWS::Lambda::Alias') as unknown as Record<string, Alias>;

/** The logical id of the version of each function's alias, by the function's logical id. */
const versionsOf = (template: Template): Record<string, string> =>
  Object.fromEntries(
    Object.values(aliasesOf(template)).map(({ FunctionName, FunctionVersion }) => [
      FunctionName.Ref,
      attributeOf(FunctionVersion),
    ]),
  );

const versionOf = (template: Template, id: string) =>
  resources(template, 'AWS::Lambda::Version')[versionsOf(template)[id] ?? ''] ?? {};

describe('without a traffic shift and provisioned concurrency', () => {
  it('the stack has no versions, no aliases and no CodeDeploy', () => {
    const { Resources } = synthesize(BACKENDS.elasticache).template.toJSON();
    const types = Object.values(Resources).map((resource) => (resource as { Type: string }).Type);
    expect(types.filter((type) => /Lambda::(Alias|Version)|CodeDeploy/.test(type))).toEqual([]);
  });
});

describe.each(VARIANTS)('with %s, the functions with a route', (_, template) => {
  it('have one version and one alias each', () => {
    const aliases = Object.values(aliasesOf(template));
    expect(aliases.map(({ FunctionName }) => FunctionName.Ref).sort()).toEqual(Object.keys(FUNCTIONS).sort());
    for (const { Name, FunctionName, FunctionVersion } of aliases) {
      expect(Name).toBe('live');
      const version = attributeOf(FunctionVersion);
      expect(resources(template, 'AWS::Lambda::Version')[version]).toMatchObject({ FunctionName });
    }
    expect(Object.keys(resources(template, 'AWS::Lambda::Version'))).toHaveLength(aliases.length);
  });

  it('are invoked by the API at their aliases only', () => {
    const aliases = Object.keys(aliasesOf(template)).sort();
    const targets = Object.values(resources(template, 'AWS::ApiGatewayV2::Integration'));
    const permissions = Object.values(resources(template, 'AWS::Lambda::Permission')).filter(
      ({ Principal }) => Principal === 'apigateway.amazonaws.com',
    );
    const ids = (values: unknown[]) => [...new Set(values.map((value) => (value as { Ref: string }).Ref))];
    expect(ids(targets.map(({ IntegrationUri }) => IntegrationUri)).sort()).toEqual(aliases);
    expect(ids(permissions.map(({ FunctionName }) => FunctionName)).sort()).toEqual(aliases);
  });

  it('are the same functions as without, so that tools run them locally by the same names', () => {
    const functionsOf = (of: typeof template) => {
      const { GetFunction: get, ...others } = of.findResources('AWS::Lambda::Function');
      return { ...others, get: { ...get, Properties: { ...get?.Properties, Description: '' } } };
    };
    expect(functionsOf(template)).toEqual(functionsOf(synthesize(BACKENDS.elasticache).template));
  });

  it('get another version of get for another number of provisioned sandboxes, which a version cannot change', () => {
    const versionOf = (provisioned: string) => {
      const { template: of } = synthesize({
        ...BACKENDS.elasticache,
        getProvisionedConcurrency: provisioned,
      });
      const found = Object.entries(resources(of, 'AWS::Lambda::Version')).filter(
        ([, { ProvisionedConcurrencyConfig }]) => ProvisionedConcurrencyConfig,
      );
      expect(found).toHaveLength(1);
      return found[0]?.[0];
    };
    expect(versionOf('5')).not.toBe(versionOf('10'));
    expect(versionOf('5')).toBe(versionOf('5'));
  });

  it('do not include measure-backend, whose rule invokes the function itself', () => {
    expect(only(template, 'AWS::Events::Rule')).toMatchObject({
      Targets: [{ Arn: { 'Fn::GetAtt': ['MeasureBackendFunction', 'Arn'] } }],
    });
  });
});

describe('a version', () => {
  const inDragonfly = (context: Record<string, unknown>) =>
    synthesize({ ...BACKENDS.dragonfly, ...SHIFT, ...context }).template;

  it('is a new one if the settings of its function change, and the same otherwise', () => {
    const present = versionsOf(inDragonfly({}));
    expect(versionsOf(inDragonfly({ alarmMissRate: '80' }))).toEqual(present);
    const changed = versionsOf(inDragonfly({ LOG_LEVEL: 'DEBUG' }));
    expect(Object.keys(changed)).toEqual(Object.keys(present));
    for (const [id, version] of Object.entries(changed)) expect(version, id).not.toBe(present[id]);
  });

  it('is replaced by CloudFormation if the address or the secret of the cache changes: its description contains them', () => {
    const [cache] = Object.keys(resources(shifted, 'AWS::ElastiCache::ServerlessCache'));
    const { Description } = versionOf(shifted, 'GetFunction');
    expect(JSON.stringify(Description)).toContain(
      JSON.stringify({ 'Fn::GetAtt': [cache, 'Endpoint.Address'] }),
    );
    const dragonfly = inDragonfly({});
    const secrets = Object.keys(resources(dragonfly, 'AWS::SecretsManager::Secret'));
    expect(secrets).toContain((versionOf(dragonfly, 'GetFunction').Description as { Ref: string }).Ref);
  });

  it('has no description without such values', () => {
    expect(versionOf(shifted, 'OpenapiFunction')).not.toHaveProperty('Description');
    const external = synthesize({ ...BACKENDS.external, ...SHIFT }).template;
    expect(versionOf(external, 'GetFunction')).not.toHaveProperty('Description');
  });
});

describe('provisioned concurrency', () => {
  it('is that of the version of get, because an alias with weights cannot have it', () => {
    const both = synthesize({ ...BACKENDS.memory, ...SHIFT, getProvisionedConcurrency: '5' }).template;
    for (const template of [provisioned, both]) {
      for (const id of Object.keys(FUNCTIONS)) {
        const { ProvisionedConcurrencyConfig } = versionOf(template, id);
        const expected = id === 'GetFunction' ? { ProvisionedConcurrentExecutions: 5 } : undefined;
        expect(ProvisionedConcurrencyConfig, id).toEqual(expected);
      }
      for (const alias of Object.values(aliasesOf(template))) {
        expect(alias).not.toHaveProperty('ProvisionedConcurrencyConfig');
      }
    }
  });
});

describe('CodeDeploy', () => {
  it.each([
    ['provisioned concurrency', provisioned],
    ['aliases that move at once', atOnce],
  ])('is not used for %s', (_, template) => {
    expect(resources(template, 'AWS::CodeDeploy::Application')).toEqual({});
    for (const { UpdatePolicy } of Object.values(template.findResources('AWS::Lambda::Alias'))) {
      expect(UpdatePolicy).toBeUndefined();
    }
  });

  it('is the only difference between a shift and aliases that move at once, so that an operator can skip a shift', () => {
    const withoutShift = ({ Resources }: { Resources: Record<string, object> }) =>
      Object.fromEntries(
        Object.entries(Resources)
          .filter(([id]) => !id.startsWith('TrafficShift'))
          .map(([id, resource]) => [id, { ...resource, UpdatePolicy: undefined }]),
      );
    expect(withoutShift(shifted.toJSON() as never)).toEqual(withoutShift(atOnce.toJSON() as never));
  });
});

describe('a traffic shift', () => {
  const groups = resources(shifted, 'AWS::CodeDeploy::DeploymentGroup');

  it('updates each alias by a deployment group of its own, of one application', () => {
    const [application, ...others] = Object.keys(resources(shifted, 'AWS::CodeDeploy::Application'));
    expect(others).toEqual([]);
    expect(only(shifted, 'AWS::CodeDeploy::Application')).toMatchObject({ ComputePlatform: 'Lambda' });
    const updated = Object.values(shifted.findResources('AWS::Lambda::Alias')).map(({ UpdatePolicy }) => {
      const { ApplicationName, DeploymentGroupName } = UpdatePolicy.CodeDeployLambdaAliasUpdate;
      expect(ApplicationName).toEqual({ Ref: application });
      return DeploymentGroupName.Ref;
    });
    expect(updated.sort()).toEqual(Object.keys(groups).sort());
    expect(updated).toHaveLength(Object.keys(FUNCTIONS).length);
  });

  it('is undone by the alarms that show a bad version', () => {
    const alarms = resources(shifted, 'AWS::CloudWatch::Alarm');
    for (const [id, group] of Object.entries(groups)) {
      const { Alarms, Enabled } = group.AlarmConfiguration as {
        Alarms: { Name: { Ref: string } }[];
        Enabled: boolean;
      };
      expect(Enabled, id).toBe(true);
      expect(Alarms.map(({ Name }) => alarms[Name.Ref]?.AlarmName)).toEqual([
        'CacheService Server errors',
        'CacheService Internal errors',
        'CacheService Function errors',
      ]);
      expect(group.AutoRollbackConfiguration).toEqual({
        Enabled: true,
        Events: ['DEPLOYMENT_FAILURE', 'DEPLOYMENT_STOP_ON_ALARM'],
      });
    }
  });

  it.each(LONG_RUN ? TRAFFIC_SHIFTS.slice(1) : TRAFFIC_SHIFTS.slice(1, 2))(
    'has the configuration of CodeDeploy that trafficShift names: %s',
    (trafficShift) => {
      const { template } = synthesize({ ...BACKENDS.memory, trafficShift });
      for (const { DeploymentConfigName } of Object.values(
        resources(template, 'AWS::CodeDeploy::DeploymentGroup'),
      )) {
        expect(DeploymentConfigName).toBe(`CodeDeployDefault.Lambda${trafficShift}`);
      }
    },
  );

  it('has a role of CodeDeploy with the policy that AWS maintains, which may change functions of the stack only', () => {
    const [role = ''] = new Set(
      Object.values(groups).map(({ ServiceRoleArn }) => attributeOf(ServiceRoleArn)),
    );
    const { AssumeRolePolicyDocument, ManagedPolicyArns } = resources(shifted, 'AWS::IAM::Role')[role] ?? {};
    expect(AssumeRolePolicyDocument).toMatchObject({
      Statement: [{ Principal: { Service: 'codedeploy.amazonaws.com' } }],
    });
    const managed = ':iam::aws:policy/service-role/AWSCodeDeployRoleForLambdaLimited';
    expect(ManagedPolicyArns).toEqual([{ 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, managed]] }]);
    const policies = Object.values(resources(shifted, 'AWS::IAM::Policy')).filter(({ Roles }) =>
      (Roles as { Ref: string }[]).some(({ Ref }) => Ref === role),
    );
    const ofStack = Object.keys(FUNCTIONS).flatMap((id) => {
      const arn = { 'Fn::GetAtt': [id, 'Arn'] };
      return [arn, { 'Fn::Join': ['', [arn, ':*']] }];
    });
    expect(
      policies.map(({ PolicyDocument }) => (PolicyDocument as { Statement: unknown }).Statement),
    ).toEqual([
      [
        {
          Effect: 'Deny',
          Action: ['lambda:InvokeFunction', 'lambda:UpdateAlias'],
          NotResource: expect.arrayContaining(ofStack),
        },
      ],
    ]);
  });
});
