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
  /** Of the task, which is started inside the network. */
  task: SecurityGroup;
  /** What may be read from inside the network, and nothing else. */
  secrets: ISecret[];
}

const HTTPS = Port.tcp(443);

/**
 * What of AWS a task without a way to the internet needs in order to start: to load its image, to read its secrets and to
 * write its log. The functions get to the secrets only.
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

    const forSecrets = network.group('Secrets', 'Secrets Manager, for the functions and the cache');
    functions.connections.allowTo(forSecrets, HTTPS);
    task.connections.allowTo(forSecrets, HTTPS);
    endpoint('SecretsManager', InterfaceVpcEndpointAwsService.SECRETS_MANAGER, forSecrets).addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['secretsmanager:GetSecretValue'],
        resources: secrets.map(({ secretArn }) => secretArn),
      }),
    );

    const forTask = network.group('Start', 'Images and logs, for the cache');
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
        // The bucket in which ECR keeps the layers of all images.
        resources: [`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`],
      }),
    );
    // To any address, because S3's are not known before the deployment; a route leads to them and to no others.
    task.addEgressRule(Peer.anyIpv4(), HTTPS, 'Image layers in S3, to which alone a route leads');
  }
}
