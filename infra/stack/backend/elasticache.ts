import { Duration } from 'aws-cdk-lib';
import { type IMetric, MathExpression, Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnServerlessCache } from 'aws-cdk-lib/aws-elasticache';
import type { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';
import type { DeploymentSettings, ElastiCacheSettings } from '../settings/types.ts';
import { ACCESS_STRING } from './access-string.ts';
import { createUser, ENGINE, grantConnect } from './elasticache-user.ts';
import type { CacheEndpoint, EndpointMetrics } from './index.ts';
import { measuredMetrics } from './measured.ts';

export interface ElastiCacheEndpointProps {
  network: CacheNetwork;
  settings: ElastiCacheSettings;
  deployment: Pick<DeploymentSettings, 'service' | 'stage'>;
}

/** Writes, and reads from replicas. A cluster client may request the cluster's layout on either port. */
const PORTS = [6379, 6380];

/**
 * ElastiCache Serverless for Valkey: TLS, encryption at rest with a key of AWS, no servers to size.
 *
 * Functions log in with their IAM roles, so there is no password. Their user may use only the service's keys and commands.
 */
export function elastiCacheEndpoint(
  scope: Construct,
  { network, settings, deployment }: ElastiCacheEndpointProps,
): CacheEndpoint {
  const user = createUser(scope, deployment, ACCESS_STRING);
  const cacheName = `${user.name}${network.suffix}`;
  const group = network.createGroup('Cache', 'The cache of cache-service');
  network.allowTo(group, ...PORTS);
  const cache = new CfnServerlessCache(scope, 'Cache', {
    serverlessCacheName: cacheName,
    description: 'cache-service',
    engine: ENGINE,
    majorEngineVersion: '8',
    userGroupId: user.groupId,
    subnetIds: network.subnetIds,
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
      DRAGONFLY_URL: `valkeys://${user.name}@${cache.attrEndpointAddress}:${cache.attrEndpointPort}?cluster=true`,
      DRAGONFLY_IAM_CACHE: cacheName,
    },
    network: network.endpointNetwork,
    metrics: { ...metricsOf(cacheName, settings), unreachable: measuredMetrics(deployment).unreachable },
    // ElastiCache publishes the others itself.
    measurement: 'reachability',
    grantTo: (grantee) => grantConnect(grantee, cache.attrArn, user.arn),
  };
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
