import { join } from 'node:path';
import { Duration, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib';
import type { SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import { DockerImageAsset, Platform } from 'aws-cdk-lib/aws-ecr-assets';
import {
  AvailabilityZoneRebalancing,
  Cluster,
  ContainerImage,
  ContainerInsights,
  CpuArchitecture,
  FargatePlatformVersion,
  FargateService,
  FargateTaskDefinition,
  LinuxParameters,
  LogDrivers,
  OperatingSystemFamily,
  Secret as TaskSecret,
} from 'aws-cdk-lib/aws-ecs';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { DnsRecordType, PrivateDnsNamespace } from 'aws-cdk-lib/aws-servicediscovery';
import { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';
import type { DragonflySettings } from '../settings/types.ts';
import { ENTRY_POINT, flags, HEALTH_CHECK, TLS_DIRECTORY, VARIABLES } from './dragonfly-container.ts';

export interface DragonflyServiceProps {
  network: CacheNetwork;
  group: SecurityGroup;
  settings: DragonflySettings;
  logRetentionDays: number;
  /** DNS name of the task, in the private zone `zone`. */
  name: string;
  zone: string;
  /** Contains `password`. */
  clientSecret: ISecret;
  /** Contains `certificate` and `key`. */
  serverSecret: ISecret;
  /** Of the certificate. A new certificate replaces the task. */
  fingerprint: string;
}

/** An ECS service that keeps one task of Dragonfly running under one DNS name. */
export class DragonflyService extends Construct {
  readonly service: FargateService;

  constructor(scope: Construct, id: string, props: DragonflyServiceProps) {
    super(scope, id);
    const { network, name, zone } = props;
    const { vpc } = network;
    const cluster = new Cluster(this, 'Cluster', { vpc, containerInsightsV2: ContainerInsights.DISABLED });
    Validations.of(cluster).acknowledge({
      id: 'AwsSolutions-ECS4',
      reason:
        'The cluster has one task. The CPU and memory metrics that ECS reports for every service are sufficient.',
    });
    const cloudMapNamespace = new PrivateDnsNamespace(this, 'Zone', { vpc, name: zone });
    const taskDefinition = this.#task(props);
    this.service = new FargateService(this, 'Service', {
      cluster,
      taskDefinition,
      platformVersion: FargatePlatformVersion.VERSION1_4,
      desiredCount: 1,
      // The old task stops before the new one starts. With two tasks, clients would use both, and an invalidation would reach only one.
      minHealthyPercent: 0,
      maxHealthyPercent: 100,
      availabilityZoneRebalancing: AvailabilityZoneRebalancing.DISABLED,
      circuitBreaker: { rollback: true },
      assignPublicIp: false,
      vpcSubnets: network.subnets,
      securityGroups: [props.group],
      cloudMapOptions: {
        cloudMapNamespace,
        name,
        dnsRecordType: DnsRecordType.A,
        dnsTtl: Duration.seconds(5),
      },
      enableExecuteCommand: false,
    });
    // Includes the policies of its roles: without them the first tasks could not load the image, and the deployment would fail.
    this.service.node.addDependency(taskDefinition);
  }

  #task({ settings, clientSecret, serverSecret, ...props }: DragonflyServiceProps): FargateTaskDefinition {
    const task = new FargateTaskDefinition(this, 'Task', {
      cpu: settings.cpu * 1024,
      memoryLimitMiB: settings.memoryGiB * 1024,
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.ARM64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
      volumes: [{ name: 'tls' }],
    });
    const container = task.addContainer('Dragonfly', {
      image: this.#image(settings.image),
      entryPoint: ENTRY_POINT,
      command: flags(settings),
      secrets: {
        [VARIABLES.password]: TaskSecret.fromSecretsManager(clientSecret, 'password'),
        [VARIABLES.certificate]: TaskSecret.fromSecretsManager(serverSecret, 'certificate'),
        [VARIABLES.key]: TaskSecret.fromSecretsManager(serverSecret, 'key'),
      },
      dockerLabels: { certificate: props.fingerprint },
      portMappings: [{ containerPort: 6379 }],
      readonlyRootFilesystem: true,
      // Reaps the processes of health checks.
      linuxParameters: new LinuxParameters(this, 'Linux', { initProcessEnabled: true }),
      healthCheck: {
        command: HEALTH_CHECK,
        interval: Duration.seconds(10),
        timeout: Duration.seconds(5),
        retries: 3,
        startPeriod: Duration.seconds(30),
      },
      logging: LogDrivers.awsLogs({
        streamPrefix: 'dragonfly',
        logGroup: new LogGroup(this, 'Logs', {
          retention: props.logRetentionDays,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      }),
    });
    container.addMountPoints({ sourceVolume: 'tls', containerPath: TLS_DIRECTORY, readOnly: false });
    Validations.of(task).acknowledge({
      id: 'AwsSolutions-IAM5[Resource::*]',
      reason:
        'ecr:GetAuthorizationToken has no resource. The permissions to load images name their repository.',
    });
    return task;
  }

  #image(given: string | undefined): ContainerImage {
    if (given === undefined) {
      // The task has no route to a public registry, so the CDK copies the image into the account. This requires Docker.
      const image = new DockerImageAsset(this, 'Image', {
        directory: join(import.meta.dirname, 'dragonfly-image'),
        platform: Platform.LINUX_ARM64,
      });
      return ContainerImage.fromDockerImageAsset(image);
    }
    const [, account = '', region = '', repositoryName = '', tag = ''] =
      /^(\d+)\.dkr\.ecr\.([^.]+)\.[^/]+\/(.+):([^:]+)$/.exec(given) ?? [];
    const repository = Repository.fromRepositoryAttributes(this, 'Images', {
      repositoryName,
      repositoryArn: Stack.of(this).formatArn({
        service: 'ecr',
        region,
        account,
        resource: 'repository',
        resourceName: repositoryName,
      }),
    });
    return ContainerImage.fromEcrRepository(repository, tag);
  }
}
