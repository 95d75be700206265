import { Duration, Validations } from 'aws-cdk-lib';
import { Stats } from 'aws-cdk-lib/aws-cloudwatch';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Secret, type SecretStringGenerator } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { CacheNetwork } from '../network.ts';
import type { DeploymentSettings, DragonflySettings } from '../settings/types.ts';
import { ServerCertificate } from './certificate/construct.ts';
import { DragonflyService } from './dragonfly-service.ts';
import { type CacheEndpoint, type EndpointMetrics, type EndpointNetwork, grantSecretValue } from './index.ts';
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
export class DragonflyEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string>;
  readonly network: EndpointNetwork;
  readonly metrics: EndpointMetrics;
  readonly needsMeasurement = true;
  readonly #clientSecret: Secret;

  constructor(scope: Construct, id: string, props: DragonflyEndpointProps) {
    super(scope, id);
    const { network, settings, stage, logRetentionDays } = props;
    const zone = `cache-service-${stage}.internal`;
    const hostName = `${NAME}.${zone}`;

    const clientSecret = this.#secret('Login', 'The login of cache-service to its cache: password, ca', {
      secretStringTemplate: '{}',
      generateStringKey: 'password',
      passwordLength: 48,
      excludePunctuation: true,
    });
    // Contains a generated placeholder until the certificate is created.
    const serverSecret = this.#secret('Server', 'The cache of cache-service itself: certificate, key');
    const { fingerprint } = new ServerCertificate(this, 'Certificate', {
      hostName,
      serverSecret,
      clientSecret,
      logRetentionDays,
    });

    const group = network.createGroup('Cache', 'The cache of cache-service');
    network.allowTo(group, PORT);
    const services = new PrivateServices(this, 'PrivateServices', {
      network,
      task: group,
      secrets: [clientSecret, serverSecret],
    });
    const { service } = new DragonflyService(this, 'Dragonfly', {
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
    service.node.addDependency(services, network);

    this.environment = {
      DRAGONFLY_URL: `dragonflys://${hostName}:${PORT}`,
      DRAGONFLY_SECRET_ARN: clientSecret.secretArn,
    };
    this.network = network.endpointNetwork;
    this.metrics = {
      // Memory usage relative to Dragonfly's own limit, which is below the task's memory.
      ...measuredMetrics(props),
      cpuPercent: service.metricCpuUtilization({
        statistic: Stats.MAXIMUM,
        period: Duration.minutes(1),
        label: 'CPU',
      }),
    };
    this.#clientSecret = clientSecret;
  }

  grantTo(grantee: IGrantable): void {
    grantSecretValue(this.#clientSecret, grantee);
  }

  #secret(id: string, description: string, generateSecretString?: SecretStringGenerator): Secret {
    const secret = new Secret(this, id, { description, generateSecretString });
    Validations.of(secret).acknowledge({
      id: 'AwsSolutions-SMG4',
      reason:
        'The task reads the secret when it starts, so a rotation replaces the task and empties the cache. The runbook describes how to replace the secret when necessary.',
    });
    return secret;
  }
}
