import { describe, expect, it } from 'vitest';
import { BACKENDS, resources, synthesize } from './synthesize.ts';
import { FUNCTIONS, ourFunctions, statementsOf, variablesOf, WITH_STORE } from './template.ts';

const SECRET = BACKENDS.external.externalSecretArn;
const { template } = synthesize(BACKENDS.external);

describe('an external cache', () => {
  it('is configured in the functions by the ARN of its secret only', () => {
    for (const id of WITH_STORE) {
      expect(variablesOf(template, id), id).toMatchObject({
        DRAGONFLY_URL: '',
        DRAGONFLY_IAM_CACHE: '',
        DRAGONFLY_SECRET_ARN: SECRET,
      });
    }
  });

  it('allows only functions with a store to read the secret', () => {
    const expected = {
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: SECRET,
    };
    for (const id of Object.keys(FUNCTIONS)) {
      const reads = statementsOf(template, id).filter(({ Action }) => /secretsmanager/.test(String(Action)));
      expect(reads, id).toEqual(WITH_STORE.includes(id) ? [expected] : []);
    }
  });

  it('is reached without a VPC by default', () => {
    for (const [id, properties] of Object.entries(ourFunctions(template))) {
      expect(properties, id).not.toHaveProperty('VpcConfig');
    }
  });

  it('is not a resource of the stack, and neither is its secret', () => {
    for (const type of [
      'AWS::ElastiCache::ServerlessCache',
      'AWS::ECS::Service',
      'AWS::SecretsManager::Secret',
    ]) {
      expect(resources(template, type)).toEqual({});
    }
  });

  it('is reached from the VPC of the settings, whose security group is not changed', () => {
    const { template: inVpc } = synthesize({
      ...BACKENDS.external,
      vpcId: 'vpc-0123456789abcdef0',
      subnetIds: 'subnet-12345678,subnet-12345679',
      securityGroupId: 'sg-12345678',
    });
    const expected = {
      SubnetIds: ['subnet-12345678', 'subnet-12345679'],
      SecurityGroupIds: ['sg-12345678'],
    };
    for (const [id, { VpcConfig }] of Object.entries(ourFunctions(inVpc))) {
      expect(VpcConfig, id).toEqual(WITH_STORE.includes(id) ? expected : undefined);
    }
    const types = Object.values(inVpc.toJSON().Resources as Record<string, { Type: string }>);
    expect(types.filter(({ Type }) => Type.startsWith('AWS::EC2::'))).toEqual([]);
  });
});

describe('backend=memory', () => {
  it('adds a warning to the synthesis', () => {
    const { stack } = synthesize(BACKENDS.memory);
    const warnings = stack.node
      .findAll()
      .flatMap(({ node }) => node.metadata)
      .filter(({ type }) => type === 'aws:cdk:warning')
      .map(({ data }) => String(data));
    expect(warnings.join('\n')).toMatch(/^backend=memory: each sandbox/m);
  });

  it('leaves the functions without a backend and with permission to log only', () => {
    const { template: alone } = synthesize(BACKENDS.memory);
    for (const id of Object.keys(FUNCTIONS)) {
      expect(variablesOf(alone, id)).toMatchObject({
        DRAGONFLY_URL: '',
        DRAGONFLY_IAM_CACHE: '',
        DRAGONFLY_SECRET_ARN: '',
      });
      expect(statementsOf(alone, id).map(({ Action }) => Action)).toEqual([
        ['logs:CreateLogStream', 'logs:PutLogEvents'],
      ]);
    }
  });
});
