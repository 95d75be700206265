import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import { Grant, type IGrantable } from 'aws-cdk-lib/aws-iam';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import type { BackendMetrics } from '../../../lib/observability/backend-metrics.ts';

/** The interface between a backend and the rest of the stack. Each backend is a function that creates its resources. */
export interface CacheEndpoint {
  /** The functions' variables with the cache's address and login method; never a password. */
  readonly environment: Record<string, string>;
  /** The network from which functions reach the cache; undefined: outside any VPC. */
  readonly network: EndpointNetwork | undefined;
  /** Metrics of the cache in CloudWatch. */
  readonly metrics: EndpointMetrics;
  /** What the function `measure-backend` publishes; undefined: the stack does not have this function. */
  readonly measurement: BackendMetrics | undefined;
  /** Allows `grantee` to log in. */
  grantTo(grantee: IGrantable): void;
}

/** Allows `grantee` to read the value of a secret. The CDK's `grantRead` would also allow it to describe the secret. */
export function grantSecretValue({ secretArn }: ISecret, grantee: IGrantable): void {
  Grant.addToPrincipal({
    grantee,
    actions: ['secretsmanager:GetSecretValue'],
    resourceArns: [secretArn],
  });
}

export interface EndpointNetwork {
  vpc: IVpc;
  vpcSubnets: SubnetSelection;
  securityGroups: ISecurityGroup[];
}

/** Each metric has a period of one minute. Metrics that a backend does not report are absent. */
export interface EndpointMetrics {
  /** 1 if the cache did not answer in the minute, else 0. */
  unreachable?: IMetric;
  /** Share of the memory limit. */
  memoryUsagePercent?: IMetric;
  /** The same, of servers that reject sets when their memory is full. */
  memoryUsageNoEviction?: IMetric;
  cpuPercent?: IMetric;
  /** Evicted entries per minute. */
  evictions?: IMetric;
  connections?: IMetric;
  /** Throttled commands per minute. */
  throttles?: IMetric;
  /** Billed: ElastiCache processing units per minute. */
  processingUnits?: IMetric;
  /** Billed: bytes stored. */
  bytesStored?: IMetric;
}
