import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Operation } from '../lib/http/routes.ts';
import { grantValue } from './endpoint/secret-grant.ts';
import type { EventSettings } from './settings.ts';

/** Those that only read have nothing to tell, and hold no connection to the broker. */
const CHANGES: readonly Operation[] = [
  'set',
  'delete',
  'invalidate',
  'clear-tenant',
  'batch-set',
  'batch-delete',
];

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
    return CHANGES.includes(operation) ? this.#environment : {};
  }

  /** Lets an operation's function read how to log in, if it has to. */
  grantTo(grantee: IGrantable, operation: Operation): void {
    if (this.#secret && CHANGES.includes(operation)) grantValue(this.#secret, grantee);
  }
}
