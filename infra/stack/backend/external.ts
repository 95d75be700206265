import { Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { serviceMetric } from '../metrics.ts';
import { importNetwork } from '../network.ts';
import type {
  DeploymentSettings,
  ExistingNetwork,
  ExternalSettings,
  IamLogin,
  SecretLogin,
} from '../settings/types.ts';
import { grantConnect } from './elasticache-user.ts';
import { type CacheEndpoint, type EndpointNetwork, grantSecretValue } from './index.ts';
import { measuredMetrics } from './measured.ts';

export interface ExternalEndpointProps extends Pick<ExternalSettings, 'login'> {
  /** From which the cache is reached; undefined: the functions are in no VPC. */
  network: ExistingNetwork | undefined;
  deployment: Pick<DeploymentSettings, 'service' | 'stage'>;
}

/** An existing cache, in whose network the functions run if it has one. */
export function externalEndpoint(
  scope: Construct,
  { login, network, deployment }: ExternalEndpointProps,
): CacheEndpoint {
  return {
    ...('secretArn' in login ? bySecret(scope, login) : byIam(login)),
    network: network && endpointNetwork(scope, network),
    metrics: {
      ...measuredMetrics(deployment),
      memoryUsageNoEviction: serviceMetric(deployment, 'memoryUsageNoEviction', { statistic: Stats.MAXIMUM }),
    },
    measurement: 'all',
  };
}

type Access = Pick<CacheEndpoint, 'environment' | 'grantTo'>;

/** Functions read address and login from a secret. A VPC must therefore have a route to Secrets Manager. */
function bySecret(scope: Construct, { secretArn }: SecretLogin): Access {
  const secret = Secret.fromSecretCompleteArn(scope, 'Secret', secretArn);
  return {
    environment: { DRAGONFLY_SECRET_ARN: secretArn },
    grantTo: (grantee) => grantSecretValue(secret, grantee),
  };
}

/** Functions log in to ElastiCache with their IAM roles. */
function byIam({ cacheArn, userArn, url }: IamLogin): Access {
  return {
    environment: { DRAGONFLY_URL: url, DRAGONFLY_IAM_CACHE: cacheArn },
    grantTo: (grantee) => grantConnect(grantee, cacheArn, userArn),
  };
}

function endpointNetwork(scope: Construct, network: ExistingNetwork): EndpointNetwork {
  const { vpc, vpcSubnets, securityGroup } = importNetwork(scope, network);
  return { vpc, vpcSubnets, securityGroups: [securityGroup] };
}
