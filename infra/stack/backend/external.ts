import { Validations } from 'aws-cdk-lib';
import { type ISubnet, SecurityGroup, Subnet, Vpc } from 'aws-cdk-lib/aws-ec2';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { DeploymentSettings, ExternalNetwork, ExternalSettings } from '../settings/types.ts';
import type { CacheEndpoint, EndpointMetrics, EndpointNetwork } from './index.ts';
import { measuredMetrics } from './measured.ts';
import { grantValue } from './secret-grant.ts';

export interface ExternalEndpointProps extends Pick<DeploymentSettings, 'service' | 'stage'> {
  settings: ExternalSettings;
}

/**
 * A cache that is there already. Nothing is made: the functions may read the secret that says where it is and how to log in,
 * and are where it can be reached from. Out of a VPC that leads nowhere they could not read the secret, so one that is given
 * needs a way to Secrets Manager.
 */
export class ExternalEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string>;
  readonly network: EndpointNetwork | undefined;
  readonly metrics: EndpointMetrics;
  readonly measured = true;
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
    grantValue(this.#secret, grantee);
  }

  #import({ vpcId, subnetIds, securityGroupId }: ExternalNetwork): EndpointNetwork {
    return {
      // Zones are asked for and looked at by nobody.
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
      reason: 'Nothing is added to the routes of a network that is not ours.',
    });
    return subnet;
  }
}
