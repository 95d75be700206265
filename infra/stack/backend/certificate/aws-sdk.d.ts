/** As much as is used of the SDK that comes with Lambda's runtime; it is not among the packages here. */
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
