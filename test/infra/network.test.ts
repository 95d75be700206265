import type { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

const types = (template: Template) =>
  Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);

const zonesOf = (template: Template) =>
  Object.values(resources(template, 'AWS::EC2::Subnet')).map(({ AvailabilityZone }) => AvailabilityZone);

const IN_OUR_NETWORK = {
  elasticache: BACKENDS.elasticache,
  'elasticache-nodes': BACKENDS['elasticache-nodes'],
  dragonfly: BACKENDS.dragonfly,
};
const OUTSIDE = { external: BACKENDS.external, memory: BACKENDS.memory };

describe.each(Object.entries(IN_OUR_NETWORK))('the network of %s', (_, context) => {
  const { template } = synthesize(context);

  it('has no route to or from the internet', () => {
    for (const type of [
      'AWS::EC2::InternetGateway',
      'AWS::EC2::VPCGatewayAttachment',
      'AWS::EC2::EgressOnlyInternetGateway',
      'AWS::EC2::NatGateway',
      'AWS::EC2::EIP',
      'AWS::EC2::Route',
      'AWS::EC2::TransitGatewayAttachment',
      'AWS::EC2::VPCPeeringConnection',
    ]) {
      expect(types(template)).not.toContain(type);
    }
  });

  it('assigns no public addresses', () => {
    const subnets = Object.values(resources(template, 'AWS::EC2::Subnet'));
    expect(subnets).toHaveLength(2);
    for (const subnet of subnets) expect(subnet).toMatchObject({ MapPublicIpOnLaunch: false });
  });

  it('removes all rules of the default security group', () => {
    expect(types(template)).toContain('Custom::VpcRestrictDefaultSG');
  });

  it('has an egress rule in each security group, so that AWS adds no rule for all traffic', () => {
    const groups = Object.values(resources(template, 'AWS::EC2::SecurityGroup'));
    expect(groups.length).toBeGreaterThanOrEqual(2);
    for (const { SecurityGroupEgress } of groups) {
      expect(SecurityGroupEgress).toContainEqual(expect.objectContaining({ CidrIp: '127.0.0.1/32' }));
    }
  });

  it('allows inbound traffic from security groups on single ports only', () => {
    for (const group of Object.values(resources(template, 'AWS::EC2::SecurityGroup'))) {
      expect(group).not.toHaveProperty('SecurityGroupIngress');
    }
    const rules = Object.values(resources(template, 'AWS::EC2::SecurityGroupIngress'));
    expect(rules).not.toEqual([]);
    for (const rule of rules) {
      expect(rule).toMatchObject({
        IpProtocol: 'tcp',
        SourceSecurityGroupId: expect.anything(),
        FromPort: rule.ToPort,
      });
    }
  });
});

describe.each(Object.entries(OUTSIDE))('the stack of %s', (_, context) => {
  it('has no VPC', () => {
    const found = types(synthesize(context).template);
    expect(found.filter((type) => type.startsWith('AWS::EC2::'))).toEqual([]);
  });
});

describe.each(Object.entries(IN_OUR_NETWORK))('the zones of %s', (_, context) => {
  it('are the first two of the account, whether the CDK knows the account or not', () => {
    const known = { env: { account: '123456789012', region: 'eu-west-1' } };
    for (const props of [{}, known]) {
      const { template } = synthesize(
        { ...context, 'availability-zones:account=123456789012:region=eu-west-1': ['a', 'b', 'c'] },
        props,
      );
      const zone = (index: number) => ({ 'Fn::Select': [index, { 'Fn::GetAZs': '' }] });
      expect(zonesOf(template)).toEqual([zone(0), zone(1)]);
    }
  });

  it('need no lookup in the account', () => {
    const { app } = synthesize(context, { env: { account: '123456789012', region: 'eu-west-1' } });
    expect(app.synth().manifest.missing ?? []).toEqual([]);
  });

  it('are those of availabilityZones', () => {
    const { template } = synthesize({ ...context, availabilityZones: 'us-east-1b, us-east-1d' });
    expect(zonesOf(template)).toEqual(['us-east-1b', 'us-east-1d']);
  });
});
