import { describe, expect, it } from 'vitest';
import { ACCESS_STRING, ACCESS_STRING_WITH_WAIT } from '../../infra/stack/backend/access-string.ts';
import { BACKENDS, only, resources, SCALING, synthesize } from './synthesize.ts';
import {
  attributeOf,
  FUNCTIONS,
  rulesOf,
  securityGroupOf,
  statementsOf,
  variablesOf,
  WITH_STORE,
} from './template.ts';

const GROUP = 'AWS::ElastiCache::ReplicationGroup';
const NODES = BACKENDS['elasticache-nodes'];

const { template } = synthesize(NODES);
const cache = only(template, GROUP);
const idOf = (type: string) => Object.keys(resources(template, type))[0];
const cacheId = idOf(GROUP);
const ARN = {
  'Fn::Join': [
    '',
    [
      'arn:',
      { Ref: 'AWS::Partition' },
      ':elasticache:',
      { Ref: 'AWS::Region' },
      ':',
      { Ref: 'AWS::AccountId' },
      ':replicationgroup:',
      { Ref: cacheId },
    ],
  ],
};

describe('the cache', () => {
  it('is a Valkey 8 cluster that evicts the least recently used entries, and gets minor versions', () => {
    expect(cache).toMatchObject({
      Engine: 'valkey',
      EngineVersion: '8.1',
      AutoMinorVersionUpgrade: true,
      ClusterMode: 'enabled',
      CacheParameterGroupName: { Ref: idOf('AWS::ElastiCache::ParameterGroup') },
    });
    expect(only(template, 'AWS::ElastiCache::ParameterGroup')).toMatchObject({
      CacheParameterGroupFamily: 'valkey8',
      Properties: { 'cluster-enabled': 'yes', 'maxmemory-policy': 'allkeys-lru' },
    });
  });

  it('encrypts connections and data', () => {
    expect(cache).toMatchObject({
      TransitEncryptionEnabled: true,
      TransitEncryptionMode: 'required',
      AtRestEncryptionEnabled: true,
    });
  });

  it.each([
    [{}, 'cache.t4g.small', 1, 1, true, '1'],
    [{ nodeType: 'cache.r7g.large', nodeShards: 3, nodeReplicas: 2 }, 'cache.r7g.large', 3, 2, true, '1'],
    [{ nodeReplicas: 2, WAIT_REPLICAS: 2 }, 'cache.t4g.small', 1, 2, true, '2'],
    [{ WAIT_REPLICAS: 0 }, 'cache.t4g.small', 1, 1, true, '0'],
    [{ nodeReplicas: 0 }, 'cache.t4g.small', 1, 0, false, '0'],
  ])(
    'with the settings %j has nodes of type %s, %d shards, %d replicas, Multi-AZ %s, and removals wait for %s replicas',
    (settings, type, shards, replicas, multiAz, wait) => {
      const { template: sized } = synthesize({ ...NODES, ...settings });
      expect(only(sized, GROUP)).toMatchObject({
        CacheNodeType: type,
        NumNodeGroups: shards,
        ReplicasPerNodeGroup: replicas,
        MultiAZEnabled: multiAz,
        // Without it AWS rejects a cluster, even one without replicas.
        AutomaticFailoverEnabled: true,
      });
      for (const id of WITH_STORE) expect(variablesOf(sized, id)).toMatchObject({ WAIT_REPLICAS: wait });
    },
  );

  it('is resharded online instead of replaced, and has no id that would prevent a replacement', () => {
    expect(template.findResources(GROUP)[cacheId ?? '']).toMatchObject({
      UpdatePolicy: { UseOnlineResharding: true },
    });
    expect(cache).not.toHaveProperty('ReplicationGroupId');
    expect(only(template, 'AWS::ElastiCache::SubnetGroup')).not.toHaveProperty('CacheSubnetGroupName');
  });

  it('is replaced if the zones change, since its nodes keep subnets from being removed', () => {
    const groupsIn = (availabilityZones: string) =>
      Object.keys(
        resources(synthesize({ ...NODES, availabilityZones }).template, 'AWS::ElastiCache::SubnetGroup'),
      );
    const ids = ['', 'us-east-1a,us-east-1b', 'us-east-1a,us-east-1b,us-east-1c'].flatMap(groupsIn);
    expect(new Set(ids).size).toBe(3);
  });

  it('has no snapshots', () => {
    expect(cache.SnapshotRetentionLimit).toBe(0);
  });

  it('is in the isolated subnets, and accepts connections from functions on its port only', () => {
    expect(cache.CacheSubnetGroupName).toEqual({ Ref: idOf('AWS::ElastiCache::SubnetGroup') });
    expect(only(template, 'AWS::ElastiCache::SubnetGroup').SubnetIds).toEqual(
      Object.keys(resources(template, 'AWS::EC2::Subnet')).map((id) => ({ Ref: id })),
    );
    const [group, ...more] = cache.SecurityGroupIds as unknown[];
    expect(more).toEqual([]);
    const functions = securityGroupOf(template, 'GetFunction');
    expect(rulesOf(template, attributeOf(group))).toEqual({
      ingress: [{ peer: functions, port: 6379 }],
      egress: [],
    });
    expect(rulesOf(template, functions)).toEqual({
      ingress: [],
      egress: [{ peer: attributeOf(group), port: 6379 }],
    });
  });
});

describe('the login', () => {
  it("uses IAM and a user with the service's permissions and WAIT, who is the only one", () => {
    expect(only(template, 'AWS::ElastiCache::User')).toMatchObject({
      UserId: 'cache-service-prod',
      UserName: 'cache-service-prod',
      AuthenticationMode: { Type: 'iam' },
      AccessString: ACCESS_STRING_WITH_WAIT,
    });
    expect(ACCESS_STRING_WITH_WAIT).toBe(`${ACCESS_STRING} +wait`);
    expect(only(template, 'AWS::ElastiCache::UserGroup').UserIds).toEqual([
      { Ref: idOf('AWS::ElastiCache::User') },
    ]);
    expect(cache.UserGroupIds).toEqual([{ Ref: idOf('AWS::ElastiCache::UserGroup') }]);
  });

  it('is granted to functions with a store only, for this cache and this user', () => {
    const expected = {
      Effect: 'Allow',
      Action: 'elasticache:Connect',
      Resource: [{ 'Fn::GetAtt': [idOf('AWS::ElastiCache::User'), 'Arn'] }, ARN],
    };
    for (const id of Object.keys(FUNCTIONS)) {
      const connects = statementsOf(template, id).filter(({ Action }) => /elasticache/.test(String(Action)));
      expect(connects, id).toEqual(WITH_STORE.includes(id) ? [expected] : []);
    }
  });

  it("is configured in the functions' variables: TLS, cluster, user, the cache's ARN", () => {
    expect(variablesOf(template, 'GetFunction')).toMatchObject({
      DRAGONFLY_URL: {
        'Fn::Join': [
          '',
          [
            'valkeys://cache-service-prod@',
            { 'Fn::GetAtt': [cacheId, 'ConfigurationEndPoint.Address'] },
            ':6379?cluster=true',
          ],
        ],
      },
      DRAGONFLY_IAM_CACHE: ARN,
      DRAGONFLY_SECRET_ARN: '',
    });
    expect(resources(template, 'AWS::SecretsManager::Secret')).toEqual({});
  });
});

describe('the number of shards', () => {
  it('is fixed without nodeMaxShards', () => {
    expect(resources(template, 'AWS::ApplicationAutoScaling::ScalableTarget')).toEqual({});
  });

  it('is scaled by the CPU usage of the primaries with nodeMaxShards', () => {
    const { template: scaled } = synthesize({ ...SCALING, nodeShards: '2' });
    const [target] = Object.keys(resources(scaled, 'AWS::ApplicationAutoScaling::ScalableTarget'));
    expect(only(scaled, 'AWS::ApplicationAutoScaling::ScalableTarget')).toEqual({
      ServiceNamespace: 'elasticache',
      ScalableDimension: 'elasticache:replication-group:NodeGroups',
      ResourceId: {
        'Fn::Join': ['', ['replication-group/', { Ref: Object.keys(resources(scaled, GROUP))[0] }]],
      },
      MinCapacity: 2,
      MaxCapacity: 5,
    });
    expect(only(scaled, 'AWS::ApplicationAutoScaling::ScalingPolicy')).toMatchObject({
      PolicyType: 'TargetTrackingScaling',
      ScalingTargetId: { Ref: target },
      TargetTrackingScalingPolicyConfiguration: {
        TargetValue: 60,
        PredefinedMetricSpecification: { PredefinedMetricType: 'ElastiCachePrimaryEngineCPUUtilization' },
      },
    });
  });
});
