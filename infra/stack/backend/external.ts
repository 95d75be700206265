import { Validations } from 'aws-cdk-lib';
import { Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { type ISubnet, SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { serviceMetric } from '../metrics.ts';
import type { DeploymentSettings, ExternalNetwork, ExternalSettings } from '../settings/types.ts';
import { type CacheEndpoint, type EndpointNetwork, grantSecretValue } from './index.ts';
import { measuredMetrics } from './measured.ts';

/**
 * An existing cache. Functions read its address and login from a secret, and run in the network from which it can be reached. A VPC
 * must therefore have a route to Secrets Manager.
 */
export function externalEndpoint(
  scope: Construct,
  { secretArn, network }: ExternalSettings,
  deployment: Pick<DeploymentSettings, 'service' | 'stage'>,
): CacheEndpoint {
  const secret = Secret.fromSecretCompleteArn(scope, 'Secret', secretArn);
  return {
    environment: { DRAGONFLY_SECRET_ARN: secretArn },
    network: network && importNetwork(scope, network),
    metrics: {
      ...measuredMetrics(deployment),
      memoryUsageNoEviction: serviceMetric(deployment, 'memoryUsageNoEviction', { statistic: Stats.MAXIMUM }),
    },
    measurement: 'all',
    grantTo: (grantee) => grantSecretValue(secret, grantee),
  };
}

function importNetwork(
  scope: Construct,
  { vpcId, subnetIds, securityGroupId }: ExternalNetwork,
): EndpointNetwork {
  return {
    // The CDK requires zones, but nothing uses them.
    vpc: Vpc.fromVpcAttributes(scope, 'Vpc', { vpcId, availabilityZones: ['unknown'] }),
    vpcSubnets: { subnets: subnetIds.map((subnetId) => importSubnet(scope, subnetId)) },
    securityGroups: [
      SecurityGroup.fromSecurityGroupId(scope, 'SecurityGroup', securityGroupId, { mutable: false }),
    ],
  };
}

function importSubnet(scope: Construct, subnetId: string): ISubnet {
  const subnet = Subnet.fromSubnetId(scope, subnetId, subnetId);
  Validations.of(subnet).acknowledge({
    id: '@aws-cdk/aws-ec2:noSubnetRouteTableId',
    reason: 'The stack does not change the routes of an existing network.',
  });
  return subnet;
}
