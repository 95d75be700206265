import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { Secret } from 'aws-cdk-lib/aws-secretsmanager';
import type { Construct } from 'constructs';
import { grantSecretValue } from './backend/index.ts';
import type { EventSettings } from './settings/types.ts';

/** The existing broker to which functions publish events. */
export interface EventBroker {
  /** The functions' variables with the broker's address; never a password. */
  readonly environment: Record<string, string>;
  /** Allows `grantee` to log in. */
  grantTo(grantee: IGrantable): void;
}

export function eventBroker(scope: Construct, { url, secretArn }: EventSettings): EventBroker {
  const secret =
    secretArn === undefined ? undefined : Secret.fromSecretCompleteArn(scope, 'Secret', secretArn);
  return {
    environment: { ENABLE_NATS: 'true', NATS_URL: url ?? '', NATS_SECRET_ARN: secretArn ?? '' },
    grantTo: (grantee) => secret && grantSecretValue(secret, grantee),
  };
}
