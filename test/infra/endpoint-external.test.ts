import { describe, expect, it } from 'vitest';
import { BACKENDS, EXTERNAL_IAM, IN_NETWORK, resources, synthesize } from './synthesize.ts';
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
    const { template: inVpc } = synthesize(IN_NETWORK.external);
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

describe('an external ElastiCache cache with IAM login', () => {
  const { externalIamCache, externalIamUrl } = EXTERNAL_IAM;
  const { template: byIam } = synthesize(EXTERNAL_IAM);

  it("is configured in the functions by its URL with the user, and by the cache's ARN", () => {
    for (const id of WITH_STORE) {
      expect(variablesOf(byIam, id), id).toMatchObject({
        DRAGONFLY_URL: externalIamUrl,
        DRAGONFLY_IAM_CACHE: externalIamCache,
        DRAGONFLY_SECRET_ARN: '',
      });
    }
  });

  it('allows functions with a store, and no others, to log in to this cache as this user', () => {
    const expected = {
      Effect: 'Allow',
      Action: 'elasticache:Connect',
      Resource: [externalIamCache, 'arn:aws:elasticache:us-east-1:123456789012:user:cache'],
    };
    for (const id of Object.keys(FUNCTIONS)) {
      const statements = statementsOf(byIam, id);
      const connects = statements.filter(({ Action }) => /elasticache/.test(String(Action)));
      expect(connects, id).toEqual(WITH_STORE.includes(id) ? [expected] : []);
      expect(JSON.stringify(statements), id).not.toContain('secretsmanager');
    }
  });

  it('is not a resource of the stack, and neither are its user and its network', () => {
    const types = Object.values(byIam.toJSON().Resources as Record<string, { Type: string }>);
    expect(types.filter(({ Type }) => /^AWS::(ElastiCache|EC2)::/.test(Type))).toEqual([]);
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
