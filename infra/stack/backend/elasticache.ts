import { createHash } from 'node:crypto';
import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnServerlessCache, CfnUser, CfnUserGroup } from 'aws-cdk-lib/aws-elasticache';
import { Grant } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';
import type { DeploymentSettings, ElastiCacheSettings } from '../settings/types.ts';
import { ACCESS_STRING } from './access-string.ts';
import type { CacheEndpoint, EndpointMetrics } from './index.ts';
import { measuredMetrics } from './measured.ts';

export interface ElastiCacheEndpointProps {
  network: CacheNetwork;
  /** Names of the network's zones; empty: the default ones. */
  zones: readonly string[];
  settings: ElastiCacheSettings;
  deployment: Pick<DeploymentSettings, 'service' | 'stage'>;
}

/** Writes, and reads from replicas. A cluster client may request the cluster's layout on either port. */
const PORTS = [6379, 6380];

const ENGINE = 'valkey';

/**
 * ElastiCache Serverless for Valkey: TLS, encryption at rest with a key of AWS, no servers to size.
 *
 * Functions log in with their IAM roles, so there is no password. Their user may use only the service's keys and commands.
 */
export function elastiCacheEndpoint(
  scope: Construct,
  { network, zones, settings, deployment }: ElastiCacheEndpointProps,
): CacheEndpoint {
  // Lower case, because ElastiCache converts names to lower case and a login signs them.
  const userName = `cache-service-${deployment.stage}`;
  const cacheName = `${userName}${suffixOf(zones)}`;
  const user = new CfnUser(scope, 'User', {
    engine: ENGINE,
    // IAM login requires the same value for both.
    userId: userName,
    userName,
    authenticationMode: { Type: 'iam' },
    accessString: ACCESS_STRING,
  });
  // The group has no user `default`, which only groups of the engine `redis` require. Nobody else can log in.
  const users = new CfnUserGroup(scope, 'Users', {
    engine: ENGINE,
    userGroupId: userName,
    userIds: [user.ref],
  });

  const group = network.createGroup('Cache', 'The cache of cache-service');
  network.allowTo(group, ...PORTS);
  const cache = new CfnServerlessCache(scope, 'Cache', {
    serverlessCacheName: cacheName,
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
    // A restored snapshot would bring back invalidated entries.
    snapshotRetentionLimit: 0,
  });

  return {
    environment: {
      DRAGONFLY_URL: `valkeys://${userName}@${cache.attrEndpointAddress}:${cache.attrEndpointPort}?cluster=true`,
      DRAGONFLY_IAM_CACHE: cacheName,
    },
    network: network.endpointNetwork,
    metrics: { ...metricsOf(cacheName, settings), unreachable: measuredMetrics(deployment).unreachable },
    // ElastiCache publishes the others itself.
    measurement: 'reachability',
    grantTo(grantee) {
      const resourceArns = [cache.attrArn, user.attrArn];
      Grant.addToPrincipal({ grantee, actions: ['elasticache:Connect'], resourceArns });
    },
  };
}

/**
 * Differs if the zones differ. A cache cannot move to other subnets, so CloudFormation replaces it, and two caches cannot have the same
 * name.
 */
function suffixOf(zones: readonly string[]): string {
  if (zones.length === 0) return '';
  const hash = createHash('sha256').update(zones.join()).digest('hex');
  return `-${hash.slice(0, 8)}`;
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
