import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { type Operation, routeNamed } from '../../lib/routes.ts';
import { grantValue } from './backend/secret-grant.ts';
import type { EventSettings } from './settings/types.ts';

/** The broker to which functions publish events. It is there already: nothing is made. */
export class CacheEvents extends Construct {
  readonly #environment: Record<string, string>;
  readonly #secret: ISecret | undefined;

  constructor(scope: Construct, id: string, { url, secretArn }: EventSettings) {
    super(scope, id);
    this.#environment = { ENABLE_NATS: 'true', NATS_URL: url ?? '', NATS_SECRET_ARN: secretArn ?? '' };
    this.#secret =
      secretArn === undefined ? undefined : Secret.fromSecretCompleteArn(this, 'Secret', secretArn);
  }

  /** The variables of an operation's function that say where the broker is; never a password. */
  environmentOf(operation: Operation): Record<string, string> {
    return publishes(operation) ? this.#environment : {};
  }

  /** Lets an operation's function read how to log in, if it has to. */
  grantTo(grantee: IGrantable, operation: Operation): void {
    if (this.#secret && publishes(operation)) grantValue(this.#secret, grantee);
  }
}

/** A function that only reads publishes no events and holds no connection to the broker. */
function publishes(operation: Operation): boolean {
  return routeNamed(operation).kind !== 'read';
}
