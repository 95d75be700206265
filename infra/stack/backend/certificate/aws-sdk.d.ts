/** The used part of the AWS SDK, which is part of Lambda's runtime and not installed here. */
declare module '@aws-sdk/client-secrets-manager' {
  export class GetSecretValueCommand {
    constructor(input: { SecretId: string });
  }
  export class PutSecretValueCommand {
    constructor(input: { SecretId: string; SecretString: string });
  }
  export class SecretsManagerClient {
    constructor(configuration: object);
    send(command: GetSecretValueCommand | PutSecretValueCommand): Promise<{ SecretString?: string }>;
  }
}
