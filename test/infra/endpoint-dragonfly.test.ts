import { describe, expect, it } from 'vitest';
import { BACKENDS, only, resources, synthesize } from './synthesize.ts';
import {
  attributeOf,
  FUNCTIONS,
  rulesOf,
  securityGroupOf,
  statementsOf,
  statementsOfRole,
  variablesOf,
  WITH_STORE,
} from './template.ts';

const { template } = synthesize(BACKENDS.dragonfly);
const idOf = (type: string, description: RegExp) => {
  const found = Object.entries(resources(template, type)).find(([, properties]) =>
    description.test(JSON.stringify(properties)),
  );
  return found?.[0] ?? 'none';
};
const CLIENT_SECRET = idOf('AWS::SecretsManager::Secret', /login/);
const SERVER_SECRET = idOf('AWS::SecretsManager::Secret', /certificate, key/);
const CERTIFICATE = Object.keys(resources(template, 'Custom::ServerCertificate'))[0];
const HOST = 'dragonfly.cache-service-prod.internal';

interface Container {
  Command: string[];
  DockerLabels: Record<string, unknown>;
  Environment?: unknown;
  Image: unknown;
  Secrets: { Name: string; ValueFrom: { 'Fn::Join': [string, [{ Ref: string }, string]] } }[];
}

const service = only(template, 'AWS::ECS::Service');
const task = only(template, 'AWS::ECS::TaskDefinition');
const [container] = task.ContainerDefinitions as [Container];
const { AwsvpcConfiguration: network } = service.NetworkConfiguration as {
  AwsvpcConfiguration: { SecurityGroups: unknown[]; Subnets: unknown[] };
};

describe('the task', () => {
  it('runs once, and stops before its replacement starts', () => {
    expect(service).toMatchObject({
      DesiredCount: 1,
      AvailabilityZoneRebalancing: 'DISABLED',
      DeploymentConfiguration: {
        MaximumPercent: 100,
        MinimumHealthyPercent: 0,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    });
  });

  it('runs in the isolated subnets, without a public address', () => {
    expect(network).toMatchObject({ AssignPublicIp: 'DISABLED' });
    expect(network.Subnets).toEqual(
      Object.keys(resources(template, 'AWS::EC2::Subnet')).map((id) => ({ Ref: id })),
    );
  });

  it.each([
    [{}, '1024', '4096', 4],
    [{ dragonflyCpu: '4', dragonflyMemoryGiB: '16' }, '4096', '16384', 16],
  ])('has the size of the settings: %j', (size, Cpu, Memory, gib) => {
    const { template: sized } = synthesize({ ...BACKENDS.dragonfly, ...size });
    const definition = only(sized, 'AWS::ECS::TaskDefinition');
    expect(definition).toMatchObject({ Cpu, Memory });
    const [{ Command }] = definition.ContainerDefinitions as [Container];
    const limit = Command.find((flag) => flag.startsWith('--maxmemory='))?.split('=')[1];
    expect(Number(limit)).toBe(Math.floor(gib * 1024 ** 3 * 0.8));
    // Dragonfly does not start with less than 256 MiB per thread.
    expect(Number(limit) / (Number(Cpu) / 1024)).toBeGreaterThan(256 * 1024 ** 2);
  });

  it('uses TLS, evicts when memory is full, and requires the password', () => {
    expect(container.Command).toEqual(
      expect.arrayContaining(['--tls', '--cache_mode=true', '--cluster_mode=emulated']),
    );
    expect(container.Secrets.map(({ Name }) => Name)).toContain('DFLY_requirepass');
  });

  it('reads password, certificate and key from secrets, and has no other variables', () => {
    expect(container).not.toHaveProperty('Environment');
    const from = container.Secrets.map(({ Name, ValueFrom }) => {
      const [{ Ref }, field] = ValueFrom['Fn::Join'][1];
      return [Name, Ref, field];
    });
    expect(from).toEqual([
      ['DFLY_requirepass', CLIENT_SECRET, ':password::'],
      ['TLS_CERTIFICATE', SERVER_SECRET, ':certificate::'],
      ['TLS_KEY', SERVER_SECRET, ':key::'],
    ]);
  });

  it("is replaced with its certificate, and can write to the certificate's volume only", () => {
    expect(container.DockerLabels.certificate).toEqual({ 'Fn::GetAtt': [CERTIFICATE, 'Fingerprint'] });
    expect(container).toMatchObject({
      ReadonlyRootFilesystem: true,
      MountPoints: [{ ContainerPath: '/tls' }],
    });
  });

  it('has no permissions, and its execution role only those of the start', () => {
    expect(statementsOfRole(template, attributeOf(task.TaskRoleArn))).toEqual([]);
    const actions = statementsOfRole(template, attributeOf(task.ExecutionRoleArn)).map(
      ({ Action, Resource }) => ({ Action, everything: Resource === '*' }),
    );
    // Only ecr:GetAuthorizationToken cannot be restricted to a resource.
    expect(actions.filter(({ everything }) => everything)).toEqual([
      { Action: 'ecr:GetAuthorizationToken', everything: true },
    ]);
  });

  it('starts after the permissions and endpoints for its image, secrets and logs exist', () => {
    const { DependsOn } = Object.values(template.findResources('AWS::ECS::Service'))[0] ?? {};
    expect(DependsOn).toEqual(
      expect.arrayContaining(Object.keys(resources(template, 'AWS::EC2::VPCEndpoint'))),
    );
    expect(DependsOn).toEqual(
      expect.arrayContaining(Object.keys(resources(template, 'AWS::EC2::SecurityGroupEgress'))),
    );
    const [policy] = Object.entries(resources(template, 'AWS::IAM::Policy')).filter(
      ([, { Roles }]) => (Roles as { Ref: string }[])[0]?.Ref === attributeOf(task.ExecutionRoleArn),
    );
    expect(DependsOn).toContain(policy?.[0]);
  });
});

describe('the image', () => {
  it('is copied into the account at deployment', () => {
    expect(JSON.stringify(container.Image)).toMatch(/container-assets-.*:[0-9a-f]{64}/);
  });

  it('is dragonflyImage if that is set', () => {
    const { template: given } = synthesize({
      ...BACKENDS.dragonfly,
      dragonflyImage: '123456789012.dkr.ecr.eu-west-1.amazonaws.com/mirror/dragonfly:v1.40.1',
    });
    const [{ Image }] = only(given, 'AWS::ECS::TaskDefinition').ContainerDefinitions as [Container];
    expect(JSON.stringify(Image)).toMatch(
      /123456789012\.dkr\.ecr\.eu-west-1\..*\/mirror\/dragonfly:v1\.40\.1/,
    );
  });
});

describe('the network rules', () => {
  const cache = attributeOf(network.SecurityGroups[0]);
  const groupOf = (service: RegExp) => {
    const [endpoint] = Object.values(resources(template, 'AWS::EC2::VPCEndpoint')).filter(({ ServiceName }) =>
      service.test(JSON.stringify(ServiceName)),
    );
    const { SecurityGroupIds } = endpoint ?? { SecurityGroupIds: [] };
    return attributeOf((SecurityGroupIds as unknown[])[0]);
  };
  const secrets = groupOf(/secretsmanager/);

  it('allow functions to reach the cache and Secrets Manager only', () => {
    const functions = securityGroupOf(template, 'GetFunction');
    const { ingress, egress } = rulesOf(template, functions);
    expect(ingress).toEqual([]);
    expect(egress).toHaveLength(2);
    expect(egress).toEqual(
      expect.arrayContaining([
        { peer: cache, port: 6379 },
        { peer: secrets, port: 443 },
      ]),
    );
    expect(rulesOf(template, cache).ingress).toEqual([{ peer: functions, port: 6379 }]);
  });

  it('allow reading of no other secrets and objects from inside the VPC', () => {
    const allowed = Object.values(resources(template, 'AWS::EC2::VPCEndpoint')).flatMap(
      ({ PolicyDocument }) => (PolicyDocument ? (PolicyDocument as { Statement: object[] }).Statement : []),
    );
    expect(allowed).toMatchObject([
      {
        Action: 'secretsmanager:GetSecretValue',
        Resource: [{ Ref: CLIENT_SECRET }, { Ref: SERVER_SECRET }],
      },
      { Action: 's3:GetObject', Resource: expect.anything() },
    ]);
    expect(JSON.stringify(allowed[1])).toContain('-starport-layer-bucket/*');
  });

  it('use one name for the cache, in DNS, in its certificate and in the functions’ variables', () => {
    expect(only(template, 'AWS::ServiceDiscovery::PrivateDnsNamespace')).toMatchObject({
      Name: 'cache-service-prod.internal',
    });
    expect(only(template, 'AWS::ServiceDiscovery::Service')).toMatchObject({ Name: 'dragonfly' });
    expect(only(template, 'Custom::ServerCertificate')).toMatchObject({ HostName: HOST });
    expect(variablesOf(template, 'SetFunction')).toMatchObject({
      DRAGONFLY_URL: `dragonflys://${HOST}:6379`,
      DRAGONFLY_IAM_CACHE: '',
      DRAGONFLY_SECRET_ARN: { Ref: CLIENT_SECRET },
    });
  });
});

describe('the secrets', () => {
  it('are generated and absent from the template', () => {
    for (const secret of Object.values(resources(template, 'AWS::SecretsManager::Secret'))) {
      expect(secret).toHaveProperty('GenerateSecretString');
      expect(secret).not.toHaveProperty('SecretString');
    }
    expect(JSON.stringify(template.toJSON())).not.toMatch(/BEGIN [A-Z ]*(KEY|CERTIFICATE)/);
  });

  it('allow functions with a store to read the login, and never the private key', () => {
    const expected = {
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: { Ref: CLIENT_SECRET },
    };
    for (const id of Object.keys(FUNCTIONS)) {
      const reads = statementsOf(template, id).filter(({ Action }) => /secretsmanager/.test(String(Action)));
      expect(reads, id).toEqual(WITH_STORE.includes(id) ? [expected] : []);
    }
  });

  it("are written by the certificate's function, which cannot read the private key", () => {
    const [, maker] =
      Object.entries(resources(template, 'AWS::Lambda::Function')).find(([, { Description }]) =>
        /certificate/.test(String(Description)),
      ) ?? [];
    const statements = statementsOfRole(template, attributeOf(maker?.Role));
    const reads = statements.filter(({ Action }) => String(Action).includes('GetSecretValue'));
    expect(reads.map(({ Resource }) => Resource)).toEqual([{ Ref: CLIENT_SECRET }]);
    const written = statements
      .filter(({ Action }) => String(Action).includes('PutSecretValue'))
      .flatMap(({ Resource }) => Resource);
    expect(written).toHaveLength(2);
    expect(written).toEqual(expect.arrayContaining([{ Ref: CLIENT_SECRET }, { Ref: SERVER_SECRET }]));
  });
});
