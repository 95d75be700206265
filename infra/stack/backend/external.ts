import { Validations } from 'aws-cdk-lib';
import { type ISubnet, SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { DeploymentSettings, ExternalNetwork, ExternalSettings } from '../settings/types.ts';
import { type CacheEndpoint, type EndpointMetrics, type EndpointNetwork, grantSecretValue } from './index.ts';
import { measuredMetrics } from './measured.ts';

export interface ExternalEndpointProps extends Pick<DeploymentSettings, 'service' | 'stage'> {
  settings: ExternalSettings;
}

/**
 * An existing cache. Functions read its address and login from a secret, and run in the network from which it can be reached. A VPC
 * must therefore have a route to Secrets Manager.
 */
export class ExternalEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string>;
  readonly network: EndpointNetwork | undefined;
  readonly metrics: EndpointMetrics;
  readonly needsMeasurement = true;
  readonly #secret: ISecret;

  constructor(scope: Construct, id: string, { settings, ...deployment }: ExternalEndpointProps) {
    super(scope, id);
    const { secretArn, network } = settings;
    this.#secret = Secret.fromSecretCompleteArn(this, 'Secret', secretArn);
    this.environment = { DRAGONFLY_SECRET_ARN: secretArn };
    this.network = network && this.#import(network);
    this.metrics = measuredMetrics(deployment);
  }

  grantTo(grantee: IGrantable): void {
    grantSecretValue(this.#secret, grantee);
  }

  #import({ vpcId, subnetIds, securityGroupId }: ExternalNetwork): EndpointNetwork {
    return {
      // The CDK requires zones, but nothing uses them.
      vpc: Vpc.fromVpcAttributes(this, 'Vpc', { vpcId, availabilityZones: ['unknown'] }),
      vpcSubnets: {
        subnets: subnetIds.map((subnetId) => this.#subnet(subnetId)),
      },
      securityGroups: [
        SecurityGroup.fromSecurityGroupId(this, 'SecurityGroup', securityGroupId, { mutable: false }),
      ],
    };
  }

  #subnet(subnetId: string): ISubnet {
    const subnet = Subnet.fromSubnetId(this, subnetId, subnetId);
    Validations.of(subnet).acknowledge({
      id: '@aws-cdk/aws-ec2:noSubnetRouteTableId',
      reason: 'The stack does not change the routes of an existing network.',
    });
    return subnet;
  }
}
