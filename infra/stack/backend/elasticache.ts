import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';
import type { ElastiCacheSettings } from '../settings/types.ts';
import { ACCESS_STRING } from './access-string.ts';
import type { CacheEndpoint, EndpointMetrics, EndpointNetwork } from './index.ts';

export interface ElastiCacheEndpointProps {
  network: CacheNetwork;
  settings: ElastiCacheSettings;
  stage: string;
}

/** The one for writing, and the one at which replicas answer: a client of a cluster may ask either for the cluster's layout. */
const PORTS = [6379, 6380];

const ENGINE = 'valkey';

/**
 * ElastiCache Serverless for Valkey: no servers to size, TLS always, data encrypted at rest with a key of AWS.
 *
 * The functions log in with their own roles and there is no password anywhere. The user that they log in as may do to the
 * service's own keys what the service does, and nothing else.
 */
export class ElastiCacheEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string>;
  readonly network: EndpointNetwork;
  readonly metrics: EndpointMetrics;
  readonly measured = false;
  readonly #arns: string[];

  constructor(scope: Construct, id: string, { network, settings, stage }: ElastiCacheEndpointProps) {
    super(scope, id);
    // Lower case: the name is part of what a login signs, and ElastiCache keeps it so.
    const name = `cache-service-${stage}`;
    const user = new CfnUser(this, 'User', {
      engine: ENGINE,
      // A login by IAM wants both to be the same.
      userId: name,
      userName: name,
      authenticationMode: { Type: 'iam' },
      accessString: ACCESS_STRING,
    });
    // Without a user called default, which only groups of the engine redis need: nobody else can log in.
    const users = new CfnUserGroup(this, 'Users', { engine: ENGINE, userGroupId: name, userIds: [user.ref] });

    const group = network.group('Cache', 'The cache of cache-service');
    network.allowTo(group, ...PORTS);
    const cache = new CfnServerlessCache(this, 'Cache', {
      serverlessCacheName: name,
      description: 'cache-service',
      engine: ENGINE,
      majorEngineVersion: '8',
      userGroupId: users.ref,
      subnetIds: network.vpc.isolatedSubnets.map(({ subnetId }) => subnetId),
      securityGroupIds: [group.securityGroupId],
      cacheUsageLimits: {
        dataStorage: { maximum: settings.maxGiB, unit: 'GB' },
        ecpuPerSecond: { maximum: settings.maxEcpuPerSecond },
      },
      // What is lost is written again by those who need it; a snapshot of it would be stale and cost.
      snapshotRetentionLimit: 0,
    });

    this.environment = {
      DRAGONFLY_URL: `valkeys://${name}@${cache.attrEndpointAddress}:${cache.attrEndpointPort}?cluster=true`,
      DRAGONFLY_IAM_CACHE: name,
    };
    this.network = network.endpointNetwork;
    this.metrics = metricsOf(name, settings);
    this.#arns = [cache.attrArn, user.attrArn];
  }

  grantTo(grantee: IGrantable): void {
    Grant.addToPrincipal({ grantee, actions: ['elasticache:Connect'], resourceArns: this.#arns });
  }
}

function metricsOf(name: string, { maxGiB }: ElastiCacheSettings): EndpointMetrics {
  const metric = (metricName: string, statistic: string, label: string): IMetric =>
    new Metric({
      namespace: 'AWS/ElastiCache',
      metricName,
      dimensionsMap: { clusterId: name },
      statistic,
      label,
      period: Duration.minutes(1),
    });
  const bytesStored = metric('BytesUsedForCache', Stats.MAXIMUM, 'Stored');
  return {
    bytesStored,
    memoryUsagePercent: new MathExpression({
      expression: `100 * stored / ${maxGiB * 1e9}`,
      usingMetrics: { stored: bytesStored },
      label: 'Memory',
      period: Duration.minutes(1),
    }),
    evictions: metric('Evictions', Stats.SUM, 'Evictions'),
    connections: metric('CurrConnections', Stats.MAXIMUM, 'Connections'),
    throttles: metric('ThrottledCmds', Stats.SUM, 'Throttled commands'),
    processingUnits: metric('ElastiCacheProcessingUnits', Stats.SUM, 'ECPU'),
  };
}
