/** The settings of a deployment. docs/deploy.md documents them. */
export interface DeploymentSettings {
  /** Distinguishes deployments in one account and region: at most 16 lower-case letters, digits and hyphens. */
  stage: string;
  backend: BackendSettings;
  /** An existing network for the functions and for a cache that the stack creates; undefined: what the backend needs. */
  network: ExistingNetwork | undefined;
  /** Broker of change events; undefined: events are not published. */
  events: EventSettings | undefined;
  authorization: AuthorizationSettings;
  /** Names of the zones of a network that the stack creates; empty: the account's first zones. */
  availabilityZones: readonly string[];
  /** One of the retentions that CloudWatch Logs accepts. */
  logRetentionDays: number;
  /** Receives alarms; undefined: nobody is notified. */
  alarmEmail: string | undefined;
  /** An existing topic that alarms notify; undefined: the stack creates one. */
  alarmTopicArn: string | undefined;
  /** Share of misses at which the cache counts as too small while it evicts, in percent. */
  alarmMissRate: number;
  /** Reserved concurrency of functions, by their operations. */
  reservedConcurrency: Readonly<Record<string, number>>;
  /** Sandboxes of get that are always initialized; undefined: none. */
  getProvisionedConcurrency: number | undefined;
  /** How requests are moved to new versions of the functions; undefined: the functions have no versions and change at once. */
  trafficShift: TrafficShift | undefined;
  /** Limit of each route except the sweeps. */
  throttle: Throttle;
  /** Limit of each sweep: invalidate and clear. */
  sweepThrottle: Throttle;
  /** Origins whose pages may call the API from a browser; empty: none. */
  corsOrigins: readonly string[];
  /** The API's own domain name, and its certificate in the stack's region; undefined: only that of API Gateway. */
  domain: { name: string; certificateArn: string } | undefined;
  /** Whether X-Ray traces requests. */
  tracing: boolean;
  /** The service's own settings, by their names; an empty one is not set. Checked as the service checks them. */
  service: Readonly<Record<string, string>>;
}

/** Names of CodeDeploy's predefined configurations, after `CodeDeployDefault.Lambda`. `AllAtOnce` does not need CodeDeploy. */
export const TRAFFIC_SHIFTS = [
  'AllAtOnce',
  'Canary10Percent5Minutes',
  'Canary10Percent10Minutes',
  'Canary10Percent15Minutes',
  'Canary10Percent30Minutes',
  'Linear10PercentEvery1Minute',
  'Linear10PercentEvery2Minutes',
  'Linear10PercentEvery3Minutes',
  'Linear10PercentEvery10Minutes',
] as const;

export type TrafficShift = (typeof TRAFFIC_SHIFTS)[number];

export interface Throttle {
  /** Requests a second. */
  rate: number;
  /** Burst: requests at one moment beyond the rate. */
  burst: number;
}

export type BackendSettings =
  | ElastiCacheSettings
  | ElastiCacheNodesSettings
  | DragonflySettings
  | ExternalSettings
  | { kind: 'memory' };

export interface ElastiCacheSettings {
  kind: 'elasticache';
  /** Maximum data stored, in ElastiCache's gigabytes; beyond it entries are evicted. */
  maxGiB: number;
  /** Maximum ElastiCache processing units a second; beyond it commands are throttled. */
  maxEcpuPerSecond: number;
}

export interface ElastiCacheNodesSettings {
  kind: 'elasticache-nodes';
  /** `cache.FAMILY.SIZE`. */
  nodeType: string;
  /** Primaries, each with a part of the entries. With `maxShards` the fewest. */
  shards: number;
  /** The most shards to which CPU usage may scale the cache; undefined: the number is fixed. */
  maxShards: number | undefined;
  /** Replicas of each shard, 0 to 5. */
  replicas: number;
}

export interface DragonflySettings {
  kind: 'dragonfly';
  /** vCPUs of the task. */
  cpu: number;
  /** Memory of the task, in GiB. */
  memoryGiB: number;
  /** An image in the account's own ECR: `ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME:TAG`. Undefined: copied there by the CDK. */
  image: string | undefined;
}

export interface ExternalSettings {
  kind: 'external';
  login: SecretLogin | IamLogin;
}

export interface SecretLogin {
  /** Complete ARN of the secret with the cache's URL. */
  secretArn: string;
}

/** A login to an ElastiCache cache without a secret. */
export interface IamLogin {
  /** ARN of the serverless cache or of the replication group. */
  cacheArn: string;
  /** ARN of the user in the URL. */
  userArn: string;
  /** Address with the user and without a password. */
  url: string;
}

export interface ExistingNetwork {
  vpcId: string;
  /** Sorted. */
  subnetIds: readonly string[];
  securityGroupId: string;
}

export interface EventSettings {
  /** The broker's URL without a login; undefined: the secret contains it. */
  url: string | undefined;
  /** Complete ARN of the secret with credentials, the URL or a certificate authority; undefined: the broker needs no login. */
  secretArn: string | undefined;
}

export type AuthorizationSettings =
  | { kind: 'iam' }
  | {
      kind: 'jwt';
      /** URL of the issuer, as in the tokens' `iss`. */
      issuer: string;
      /** A token's `aud` must be one of these. */
      audience: readonly string[];
      /** The claim that names the tenant. */
      tenantClaim: string;
    }
  | { kind: 'none' };
