import { describe, expect, it } from 'vitest';
import { ACCESS_STRING } from '../../infra/stack/backend/access-string.ts';
import { only, resources, synthesize } from './synthesize.ts';
import {
  attributeOf,
  FUNCTIONS,
  rulesOf,
  securityGroupOf,
  statementsOf,
  variablesOf,
  WITH_STORE,
} from './template.ts';

const { template } = synthesize();
const cache = only(template, 'AWS::ElastiCache::ServerlessCache');
const functionsGroup = securityGroupOf(template, 'GetFunction');
const [cacheId] = Object.keys(resources(template, 'AWS::ElastiCache::ServerlessCache'));
const [userId] = Object.keys(resources(template, 'AWS::ElastiCache::User'));

describe('the cache', () => {
  it('is Valkey 8, in the isolated subnets, with its own security group', () => {
    expect(cache).toMatchObject({ Engine: 'valkey', MajorEngineVersion: '8' });
    expect(cache.SubnetIds).toEqual(
      Object.keys(resources(template, 'AWS::EC2::Subnet')).map((id) => ({ Ref: id })),
    );
    expect(cache.SecurityGroupIds).toHaveLength(1);
  });

  it('has limits of data and processing units', () => {
    expect(cache.CacheUsageLimits).toEqual({
      DataStorage: { Maximum: 5, Unit: 'GB' },
      ECPUPerSecond: { Maximum: 10_000 },
    });
    const { template: other } = synthesize({ cacheMaxGiB: '40', cacheMaxEcpuPerSecond: '90000' });
    expect(only(other, 'AWS::ElastiCache::ServerlessCache').CacheUsageLimits).toEqual({
      DataStorage: { Maximum: 40, Unit: 'GB' },
      ECPUPerSecond: { Maximum: 90_000 },
    });
  });

  it('has another name in other zones, so that CloudFormation can replace it', () => {
    const namesIn = (zones: string) => {
      const { template } = synthesize({ stage: 'a-stage-of-16-ab', availabilityZones: zones });
      const { ServerlessCacheName } = only(template, 'AWS::ElastiCache::ServerlessCache');
      expect(variablesOf(template, 'GetFunction')).toMatchObject({
        DRAGONFLY_IAM_CACHE: ServerlessCacheName,
      });
      return String(ServerlessCacheName);
    };
    const names = ['', 'us-east-1a,us-east-1b', 'us-east-1a,us-east-1b,us-east-1c'].map(namesIn);
    expect(names[0]).toBe('cache-service-a-stage-of-16-ab');
    expect(new Set(names).size).toBe(3);
    // The limit of ElastiCache.
    for (const name of names) expect(name).toMatch(/^[a-z][a-z0-9-]{0,39}$/);
  });

  it('has no snapshots', () => {
    expect(cache.SnapshotRetentionLimit).toBe(0);
    expect(cache).not.toHaveProperty('DailySnapshotTime');
  });

  it('accepts connections from functions only, on its ports only', () => {
    const [group] = cache.SecurityGroupIds as unknown[];
    const { ingress, egress } = rulesOf(template, attributeOf(group));
    expect(egress).toEqual([]);
    expect(ingress.map(({ port }) => port).sort()).toEqual([6379, 6380]);
    const [functions, ...others] = new Set(ingress.map(({ peer }) => peer));
    expect(others).toEqual([]);
    for (const id of WITH_STORE) {
      const { VpcConfig } = resources(template, 'AWS::Lambda::Function')[id] ?? {};
      expect(VpcConfig).toMatchObject({ SecurityGroupIds: [{ 'Fn::GetAtt': [functions, 'GroupId'] }] });
    }
  });

  it('is the only target of the functions, which accept no connections', () => {
    const { ingress, egress } = rulesOf(template, functionsGroup);
    expect(ingress).toEqual([]);
    const [group] = cache.SecurityGroupIds as unknown[];
    expect(egress.sort((a, b) => Number(a.port) - Number(b.port))).toEqual([
      { peer: attributeOf(group), port: 6379 },
      { peer: attributeOf(group), port: 6380 },
    ]);
    // A rule that allows nothing. Without any egress rule AWS would add one that allows all traffic.
    expect(resources(template, 'AWS::EC2::SecurityGroup')[functionsGroup]?.SecurityGroupEgress).toMatchObject(
      [{ CidrIp: '127.0.0.1/32' }],
    );
  });
});

describe('the login', () => {
  it("uses IAM and a user with the service's permissions only", () => {
    expect(only(template, 'AWS::ElastiCache::User')).toEqual({
      Engine: 'valkey',
      UserId: 'cache-service-prod',
      UserName: 'cache-service-prod',
      AuthenticationMode: { Type: 'iam' },
      AccessString: ACCESS_STRING,
    });
  });

  it('is possible for this user only', () => {
    const group = only(template, 'AWS::ElastiCache::UserGroup');
    expect(group).toMatchObject({ Engine: 'valkey', UserIds: [{ Ref: userId }] });
    const [groupId] = Object.keys(resources(template, 'AWS::ElastiCache::UserGroup'));
    expect(cache.UserGroupId).toEqual({ Ref: groupId });
  });

  it('is granted to functions with a store only, for this cache and this user', () => {
    const expected = {
      Effect: 'Allow',
      Action: 'elasticache:Connect',
      Resource: [{ 'Fn::GetAtt': [cacheId, 'ARN'] }, { 'Fn::GetAtt': [userId, 'Arn'] }],
    };
    for (const id of Object.keys(FUNCTIONS)) {
      const connects = statementsOf(template, id).filter(({ Action }) => /elasticache/.test(String(Action)));
      expect(connects, id).toEqual(WITH_STORE.includes(id) ? [expected] : []);
    }
  });

  it('needs no password and no secret', () => {
    expect(resources(template, 'AWS::SecretsManager::Secret')).toEqual({});
    expect(JSON.stringify(template.toJSON())).not.toMatch(/"Passwords"|NoPasswordRequired/);
  });

  it("is configured in the functions' variables: TLS, cluster, user, cache", () => {
    expect(variablesOf(template, 'GetFunction')).toMatchObject({
      DRAGONFLY_URL: {
        'Fn::Join': [
          '',
          [
            'valkeys://cache-service-prod@',
            { 'Fn::GetAtt': [cacheId, 'Endpoint.Address'] },
            ':',
            { 'Fn::GetAtt': [cacheId, 'Endpoint.Port'] },
            '?cluster=true',
          ],
        ],
      },
      DRAGONFLY_IAM_CACHE: 'cache-service-prod',
      DRAGONFLY_SECRET_ARN: '',
    });
    expect(cache.ServerlessCacheName).toBe('cache-service-prod');
  });
});

it('the ElastiCache resources of each stage have unique names within the length limit', () => {
  const stage = 'a-stage-of-16-ab';
  const { template: other } = synthesize({ stage });
  const name = `cache-service-${stage}`;
  expect(name.length).toBeLessThanOrEqual(40);
  expect(only(other, 'AWS::ElastiCache::ServerlessCache').ServerlessCacheName).toBe(name);
  expect(only(other, 'AWS::ElastiCache::User').UserId).toBe(name);
  expect(only(other, 'AWS::ElastiCache::UserGroup').UserGroupId).toBe(name);
});
