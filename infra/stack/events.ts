import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { type Operation, routeNamed } from '../../lib/routes.ts';
import { grantSecretValue } from './backend/index.ts';
import type { EventSettings } from './settings/types.ts';

/** The existing broker to which functions publish events. */
export class CacheEvents extends Construct {
  readonly #environment: Record<string, string>;
  readonly #secret: ISecret | undefined;

  constructor(scope: Construct, id: string, { url, secretArn }: EventSettings) {
    super(scope, id);
    this.#environment = { ENABLE_NATS: 'true', NATS_URL: url ?? '', NATS_SECRET_ARN: secretArn ?? '' };
    this.#secret =
      secretArn === undefined ? undefined : Secret.fromSecretCompleteArn(this, 'Secret', secretArn);
  }

  /** The broker's address for an operation's function, without a password. */
  environmentOf(operation: Operation): Record<string, string> {
    return publishes(operation) ? this.#environment : {};
  }

  /** Allows an operation's function to read the broker's login, if it publishes events. */
  grantTo(grantee: IGrantable, operation: Operation): void {
    if (this.#secret && publishes(operation)) grantSecretValue(this.#secret, grantee);
  }
}

/** Functions that only read publish no events and do not connect to the broker. */
function publishes(operation: Operation): boolean {
  return routeNamed(operation).kind !== 'read';
}
