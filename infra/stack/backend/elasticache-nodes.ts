import { ArnFormat, Stack, Validations } from 'aws-cdk-lib';
import { CfnScalableTarget, CfnScalingPolicy } from 'aws-cdk-lib/aws-applicationautoscaling';
import { Metric, Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { CfnParameterGroup, CfnReplicationGroup, CfnSubnetGroup } from 'aws-cdk-lib/aws-elasticache';
import type { Construct } from 'constructs';
import { MINUTE } from '../metrics.ts';
import type { CacheNetwork } from '../network.ts';
import type { DeploymentSettings, ElastiCacheNodesSettings } from '../settings/types.ts';
import { ACCESS_STRING_WITH_WAIT } from './access-string.ts';
import { createUser, ENGINE, grantConnect } from './elasticache-user.ts';
import type { CacheEndpoint } from './index.ts';
import { measuredMetrics } from './measured.ts';

export interface ElastiCacheNodesEndpointProps {
  network: CacheNetwork;
  settings: ElastiCacheNodesSettings;
  deployment: Pick<DeploymentSettings, 'service' | 'stage'>;
}

const PORT = 6379;

/** AWS accepts 35 to 70. */
const TARGET_CPU_PERCENT = 60;

/**
 * ElastiCache for Valkey on nodes: a cluster of shards, each with a primary and replicas in other zones, TLS, encryption at rest with a key
 * of AWS. If a primary fails, ElastiCache promotes a replica.
 *
 * Functions log in with their IAM roles, as to ElastiCache Serverless, and read from primaries only.
 */
export function elastiCacheNodesEndpoint(
  scope: Construct,
  { network, settings, deployment }: ElastiCacheNodesEndpointProps,
): CacheEndpoint {
  const { nodeType, shards, replicas } = settings;
  const user = createUser(scope, deployment, ACCESS_STRING_WITH_WAIT);
  const group = network.createGroup('Cache', 'The cache of cache-service');
  network.allowTo(group, PORT);

  // Nodes keep a subnet from being removed, so other subnets need another group, and the cache is replaced.
  const subnets = new CfnSubnetGroup(scope, `Subnets${network.suffix}`, {
    description: 'cache-service',
    subnetIds: network.subnetIds,
  });
  const parameters = new CfnParameterGroup(scope, 'Parameters', {
    description: 'cache-service',
    cacheParameterGroupFamily: 'valkey8',
    properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
  });
  const cache = new CfnReplicationGroup(scope, 'Cache', {
    // Without an id, so that CloudFormation can replace it, which it does if its replicas or subnets change.
    replicationGroupDescription: 'cache-service',
    engine: ENGINE,
    engineVersion: '8.1',
    autoMinorVersionUpgrade: true,
    cacheNodeType: nodeType,
    cacheParameterGroupName: parameters.ref,
    clusterMode: 'enabled',
    numNodeGroups: shards,
    replicasPerNodeGroup: replicas,
    // Required of a cluster, with replicas or without.
    automaticFailoverEnabled: true,
    multiAzEnabled: replicas > 0,
    cacheSubnetGroupName: subnets.ref,
    securityGroupIds: [group.securityGroupId],
    port: PORT,
    userGroupIds: [user.groupId],
    transitEncryptionEnabled: true,
    transitEncryptionMode: 'required',
    atRestEncryptionEnabled: true,
    // A restored snapshot would bring back invalidated entries.
    snapshotRetentionLimit: 0,
  });
  // Without it, another number of shards would replace the cache.
  cache.cfnOptions.updatePolicy = { useOnlineResharding: true };
  Validations.of(cache).acknowledge({
    id: 'AwsSolutions-AEC6',
    reason:
      'Users log in with IAM and have single permissions. AUTH with one password for all would be weaker.',
  });
  if (settings.maxShards !== undefined) scaleShards(scope, cache, shards, settings.maxShards);

  // CloudFormation has no attribute for it.
  const arn = Stack.of(scope).formatArn({
    service: 'elasticache',
    resource: 'replicationgroup',
    resourceName: cache.ref,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  return {
    environment: {
      DRAGONFLY_URL: `valkeys://${user.name}@${cache.attrConfigurationEndPointAddress}:${PORT}?cluster=true`,
      DRAGONFLY_IAM_CACHE: arn,
    },
    network: network.endpointNetwork,
    metrics: {
      ...measuredMetrics(deployment),
      cpuPercent: new Metric({
        namespace: 'AWS/ElastiCache',
        metricName: 'EngineCPUUtilization',
        dimensionsMap: { ReplicationGroupId: cache.ref, Role: 'Primary' },
        statistic: Stats.MAXIMUM,
        period: MINUTE,
        label: 'CPU',
      }),
    },
    // ElastiCache publishes evictions and connections of single nodes only, and the ids of nodes change with each scaling.
    measurement: 'all',
    grantTo: (grantee) => grantConnect(grantee, arn, user.arn),
  };
}

/**
 * Lets Application Auto Scaling change the number of shards by the CPU usage of the primaries. Memory is no reason to scale: a cache that
 * evicts is full most of the time.
 */
function scaleShards(
  scope: Construct,
  cache: CfnReplicationGroup,
  minCapacity: number,
  maxCapacity: number,
): void {
  // The construct library's own class would create a role, but AWS uses one that is linked to its service.
  const target = new CfnScalableTarget(scope, 'Shards', {
    serviceNamespace: 'elasticache',
    scalableDimension: 'elasticache:replication-group:NodeGroups',
    resourceId: `replication-group/${cache.ref}`,
    minCapacity,
    maxCapacity,
  });
  new CfnScalingPolicy(scope, 'Scaling', {
    policyName: 'cpu',
    policyType: 'TargetTrackingScaling',
    scalingTargetId: target.ref,
    targetTrackingScalingPolicyConfiguration: {
      targetValue: TARGET_CPU_PERCENT,
      predefinedMetricSpecification: { predefinedMetricType: 'ElastiCachePrimaryEngineCPUUtilization' },
    },
  });
}
