import { Stack } from 'aws-cdk-lib';
import {
  GatewayVpcEndpoint,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpoint,
  InterfaceVpcEndpointAwsService,
  Peer,
  Port,
  type SecurityGroup,
  SubnetType,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';

export interface PrivateServicesProps {
  network: CacheNetwork;
  /** Security group of the task. */
  task: SecurityGroup;
  /** The only secrets that can be read through the endpoint. */
  secrets: ISecret[];
}

const HTTPS = Port.tcp(443);

/**
 * VPC endpoints for a task without internet access: they load its image, read its secrets and write its log. Functions can reach
 * the secrets only.
 */
export class PrivateServices extends Construct {
  constructor(scope: Construct, id: string, { network, task, secrets }: PrivateServicesProps) {
    super(scope, id);
    const { vpc, functions } = network;
    const endpoint = (name: string, service: InterfaceVpcEndpointAwsService, group: SecurityGroup) =>
      new InterfaceVpcEndpoint(this, name, {
        vpc,
        service,
        subnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
        securityGroups: [group],
        open: false,
      });

    const forSecrets = network.createGroup('Secrets', 'Secrets Manager, for the functions and the cache');
    functions.connections.allowTo(forSecrets, HTTPS);
    task.connections.allowTo(forSecrets, HTTPS);
    endpoint('SecretsManager', InterfaceVpcEndpointAwsService.SECRETS_MANAGER, forSecrets).addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['secretsmanager:GetSecretValue'],
        resources: secrets.map(({ secretArn }) => secretArn),
      }),
    );

    const forTask = network.createGroup('Start', 'Images and logs, for the cache');
    task.connections.allowTo(forTask, HTTPS);
    endpoint('EcrApi', InterfaceVpcEndpointAwsService.ECR, forTask);
    endpoint('EcrImages', InterfaceVpcEndpointAwsService.ECR_DOCKER, forTask);
    endpoint('Logs', InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS, forTask);

    const { partition, region } = Stack.of(this);
    const layers = new GatewayVpcEndpoint(this, 'ImageLayers', {
      vpc,
      service: GatewayVpcEndpointAwsService.S3,
      subnets: [{ subnetType: SubnetType.PRIVATE_ISOLATED }],
    });
    layers.addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['s3:GetObject'],
        // The bucket in which ECR stores image layers.
        resources: [`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`],
      }),
    );
    // S3's addresses are not known before the deployment. The network has routes to S3 only.
    task.addEgressRule(Peer.anyIpv4(), HTTPS, 'Image layers in S3, the only routable addresses');
  }
}
