import { describe, expect, it } from 'vitest';
import { IN_NETWORK, NETWORK, only, resources, synthesize } from './synthesize.ts';
import { attributeOf, ourFunctions, variablesOf, WITH_STORE } from './template.ts';

const SUBNETS = NETWORK.subnetIds.split(',');
const CREATED = {
  elasticache: IN_NETWORK.elasticache,
  'elasticache-nodes': IN_NETWORK['elasticache-nodes'],
  dragonfly: IN_NETWORK.dragonfly,
};

/** The logical id of the cache's security group. */
const GROUP_OF = {
  elasticache: (of: typeof template) =>
    (only(of, 'AWS::ElastiCache::ServerlessCache').SecurityGroupIds as unknown[])[0],
  'elasticache-nodes': (of: typeof template) =>
    (only(of, 'AWS::ElastiCache::ReplicationGroup').SecurityGroupIds as unknown[])[0],
  dragonfly: (of: typeof template) => taskNetworkOf(of).SecurityGroups[0],
};

const { template } = synthesize(CREATED.dragonfly);

function taskNetworkOf(of: typeof template) {
  const { NetworkConfiguration } = only(of, 'AWS::ECS::Service');
  return (
    NetworkConfiguration as {
      AwsvpcConfiguration: { SecurityGroups: unknown[]; Subnets: unknown[]; AssignPublicIp: string };
    }
  ).AwsvpcConfiguration;
}

describe.each(['elasticache', 'elasticache-nodes', 'dragonfly'] as const)(
  '%s in an existing network',
  (backend) => {
    const { template: of } = synthesize(CREATED[backend]);

    it('creates no network, only the security group of the cache', () => {
      const types = Object.values(of.toJSON().Resources as Record<string, { Type: string }>)
        .map(({ Type }) => Type)
        .filter((type) => type.startsWith('AWS::EC2::'));
      expect(new Set(types)).toEqual(new Set(['AWS::EC2::SecurityGroup', 'AWS::EC2::SecurityGroupIngress']));
      expect(only(of, 'AWS::EC2::SecurityGroup')).toMatchObject({ VpcId: NETWORK.vpcId });
    });

    it('runs the functions with a store in the given subnets and security group', () => {
      for (const [id, { VpcConfig }] of Object.entries(ourFunctions(of))) {
        expect(VpcConfig, id).toEqual(
          WITH_STORE.includes(id)
            ? { SubnetIds: SUBNETS, SecurityGroupIds: [NETWORK.securityGroupId] }
            : undefined,
        );
      }
    });

    it('lets the given security group, and no other, connect to the cache', () => {
      const group = attributeOf(GROUP_OF[backend](of));
      expect(only(of, 'AWS::EC2::SecurityGroup')).not.toHaveProperty('SecurityGroupIngress');
      const rules = Object.values(resources(of, 'AWS::EC2::SecurityGroupIngress'));
      expect(rules.map(({ ToPort }) => ToPort).sort()).toEqual(
        backend === 'elasticache' ? [6379, 6380] : [6379],
      );
      for (const rule of rules) {
        expect(rule).toMatchObject({
          IpProtocol: 'tcp',
          FromPort: rule.ToPort,
          GroupId: { 'Fn::GetAtt': [group, 'GroupId'] },
          SourceSecurityGroupId: NETWORK.securityGroupId,
        });
      }
    });

    it('may reach a broker and a collector', () => {
      const { template: connected } = synthesize({
        ...CREATED[backend],
        natsUrl: 'tls://nats.internal',
        otelEndpoint: 'http://collector.internal:4318',
      });
      expect(variablesOf(connected, 'SetFunction')).toMatchObject({
        NATS_URL: 'tls://nats.internal',
        OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector.internal:4318',
      });
    });
  },
);

describe('the subnets of the cache', () => {
  it('are the given ones', () => {
    const { template: serverless } = synthesize(CREATED.elasticache);
    expect(only(serverless, 'AWS::ElastiCache::ServerlessCache').SubnetIds).toEqual(SUBNETS);
    const { template: nodes } = synthesize(CREATED['elasticache-nodes']);
    expect(only(nodes, 'AWS::ElastiCache::SubnetGroup').SubnetIds).toEqual(SUBNETS);
    expect(taskNetworkOf(template)).toMatchObject({ Subnets: SUBNETS, AssignPublicIp: 'DISABLED' });
    expect(only(template, 'AWS::ServiceDiscovery::PrivateDnsNamespace')).toMatchObject({
      Vpc: NETWORK.vpcId,
    });
  });

  it.each([
    ['elasticache', 'AWS::ElastiCache::ServerlessCache', 'ServerlessCacheName'],
    ['elasticache-nodes', 'AWS::ElastiCache::SubnetGroup', undefined],
  ] as const)(
    'change what CloudFormation has to replace with %s, unless only their order changes',
    (backend, type, name) => {
      const identityIn = (subnetIds: string) => {
        const [[id, properties = {}] = []] = Object.entries(
          resources(synthesize({ ...CREATED[backend], subnetIds }).template, type),
        );
        return name ? properties[name] : id;
      };
      const [first = '', second = ''] = SUBNETS;
      expect(identityIn(`${second},${first}`)).toBe(identityIn(`${first},${second}`));
      expect(identityIn(`${first},subnet-99999999`)).not.toBe(identityIn(`${first},${second}`));
    },
  );
});

describe('Dragonfly in an existing network', () => {
  it('reaches its image, secrets and logs by the routes of the network, and nothing else', () => {
    expect(only(template, 'AWS::EC2::SecurityGroup').SecurityGroupEgress).toEqual([
      expect.objectContaining({ CidrIp: '127.0.0.1/32' }),
      expect.objectContaining({ CidrIp: '0.0.0.0/0', IpProtocol: 'tcp', FromPort: 443, ToPort: 443 }),
    ]);
  });
});
