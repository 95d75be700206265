import { Validations } from 'aws-cdk-lib';
import { Stats } from 'aws-cdk-lib/aws-cloudwatch';
import { Peer, Port, type SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Secret, type SecretStringGenerator } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { MINUTE } from '../metrics.ts';
import type { CacheNetwork } from '../network.ts';
import type { DeploymentSettings, DragonflySettings } from '../settings/types.ts';
import { ServerCertificate } from './certificate/construct.ts';
import { DragonflyService } from './dragonfly-service.ts';
import { type CacheEndpoint, grantSecretValue } from './index.ts';
import { measuredMetrics } from './measured.ts';
import { PrivateServices } from './private-services.ts';

export interface DragonflyEndpointProps
  extends Pick<DeploymentSettings, 'logRetentionDays' | 'service' | 'stage'> {
  network: CacheNetwork;
  settings: DragonflySettings;
}

const PORT = 6379;
const NAME = 'dragonfly';

/**
 * Dragonfly as one task on Fargate, with a private DNS name, TLS and a generated password.
 *
 * There is no replica, because Dragonfly does not fail over by itself.
 */
export function dragonflyEndpoint(scope: Construct, props: DragonflyEndpointProps): CacheEndpoint {
  const { network, settings, stage, logRetentionDays } = props;
  const zone = `cache-service-${stage}.internal`;
  const hostName = `${NAME}.${zone}`;

  const clientSecret = createSecret(scope, 'Login', 'The login of cache-service to its cache: password, ca', {
    secretStringTemplate: '{}',
    generateStringKey: 'password',
    passwordLength: 48,
    excludePunctuation: true,
  });
  // Contains a generated placeholder until the certificate is created.
  const serverSecret = createSecret(scope, 'Server', 'The cache of cache-service itself: certificate, key');
  const { fingerprint } = new ServerCertificate(scope, 'Certificate', {
    hostName,
    serverSecret,
    clientSecret,
    logRetentionDays,
  });

  const group = network.createGroup('Cache', 'The cache of cache-service');
  network.allowTo(group, PORT);
  const services = servicesFor(scope, network, group, [clientSecret, serverSecret]);
  const { service } = new DragonflyService(scope, 'Dragonfly', {
    network,
    group,
    settings,
    logRetentionDays,
    name: NAME,
    zone,
    clientSecret,
    serverSecret,
    fingerprint,
  });
  // A task that starts before it can reach its image and its secrets fails.
  service.node.addDependency(network, ...services);

  return {
    environment: {
      DRAGONFLY_URL: `dragonflys://${hostName}:${PORT}`,
      DRAGONFLY_SECRET_ARN: clientSecret.secretArn,
    },
    network: network.endpointNetwork,
    metrics: {
      // Memory usage relative to Dragonfly's own limit, which is below the task's memory.
      ...measuredMetrics(props),
      cpuPercent: service.metricCpuUtilization({ statistic: Stats.MAXIMUM, period: MINUTE, label: 'CPU' }),
    },
    measurement: 'all',
    grantTo: (grantee) => grantSecretValue(clientSecret, grantee),
  };
}

/**
 * Connects the task with the services that it needs to start. A network of the stack gets endpoints. An existing network must have routes to
 * these services, whose addresses are unknown, so the task may connect to any address on port 443.
 */
function servicesFor(
  scope: Construct,
  network: CacheNetwork,
  task: SecurityGroup,
  secrets: Secret[],
): PrivateServices[] {
  if (!network.isExisting) return [new PrivateServices(scope, 'PrivateServices', { network, task, secrets })];
  task.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'Image, secrets and logs, by the routes of the network');
  return [];
}

function createSecret(
  scope: Construct,
  id: string,
  description: string,
  generateSecretString?: SecretStringGenerator,
): Secret {
  const secret = new Secret(scope, id, { description, generateSecretString });
  Validations.of(secret).acknowledge({
    id: 'AwsSolutions-SMG4',
    reason:
      'The task reads the secret when it starts, so a rotation replaces the task and empties the cache. The runbook describes how to replace the secret when necessary.',
  });
  return secret;
}
