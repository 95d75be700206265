import type { IMetric } from 'aws-cdk-lib/aws-cloudwatch';
import type { ISecurityGroup, IVpc, SubnetSelection } from 'aws-cdk-lib/aws-ec2';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';

/** Where the functions find the cache. One construct for each backend gives this, and the rest of the stack knows no more. */
export interface CacheEndpoint {
  /** The functions' variables that say where it is and how to log in; never a password. */
  readonly environment: Record<string, string>;
  /** Where a function has to be to reach it; undefined: outside any VPC. */
  readonly network: EndpointNetwork | undefined;
  /** What CloudWatch knows of it; what a backend does not report is not there. */
  readonly metrics: EndpointMetrics;
  /** Whether the service itself has to ask it how full it is, and to tell CloudWatch. */
  readonly measured: boolean;
  /** Lets somebody log in, and nothing else. */
  grantTo(grantee: IGrantable): void;
}

export interface EndpointNetwork {
  vpc: IVpc;
  vpcSubnets: SubnetSelection;
  securityGroups: ISecurityGroup[];
}

/** Each with the statistic and the period of one minute that a reading of it needs. */
export interface EndpointMetrics {
  /** 1 in a minute in which it did not answer, else 0. */
  unreachable?: IMetric;
  /** Of the memory that it may use, in per cent. */
  memoryUsagePercent?: IMetric;
  /** Of the processors that it has, in per cent. */
  cpuPercent?: IMetric;
  /** Entries that were dropped for want of memory, a minute. */
  evictions?: IMetric;
  connections?: IMetric;
  /** Commands that were refused for being too many, a minute. */
  throttles?: IMetric;
  /** What is paid for: ElastiCache processing units, a minute. */
  processingUnits?: IMetric;
  /** What is paid for: bytes held. */
  bytesStored?: IMetric;
}
