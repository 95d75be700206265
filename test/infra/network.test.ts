import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { CacheNetwork } from '../../infra/stack/network.ts';
import { BACKENDS, resources, synthesize } from './synthesize.ts';

const types = (template: Template) =>
  Object.values(template.toJSON().Resources as Record<string, { Type: string }>).map(({ Type }) => Type);

const IN_OUR_NETWORK = { elasticache: BACKENDS.elasticache, dragonfly: BACKENDS.dragonfly };
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

describe('the network with a known account and region', () => {
  it.each([3, 2])('spreads over %d zones', (maxZones) => {
    const app = new App({
      context: { 'availability-zones:account=123456789012:region=eu-west-1': ['a', 'b', 'c', 'd'] },
    });
    const stack = new Stack(app, 'Stack', { env: { account: '123456789012', region: 'eu-west-1' } });
    new CacheNetwork(stack, 'Network', { maxZones, zones: [] });
    const subnets = Object.values(resources(Template.fromStack(stack), 'AWS::EC2::Subnet'));
    expect(subnets.map(({ AvailabilityZone }) => AvailabilityZone)).toEqual(
      ['a', 'b', 'c'].slice(0, maxZones),
    );
  });

  it('uses the zones of availabilityZones', () => {
    const { template } = synthesize({ availabilityZones: 'us-east-1b, us-east-1d' });
    const subnets = Object.values(resources(template, 'AWS::EC2::Subnet'));
    expect(subnets.map(({ AvailabilityZone }) => AvailabilityZone)).toEqual(['us-east-1b', 'us-east-1d']);
  });
});
