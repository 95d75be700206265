import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { makeCertificate, type Secrets } from './make.ts';
import { type ResourceRequest, respond } from './respond.ts';

const client = new SecretsManagerClient({});

const secrets: Secrets = {
  async read(SecretId) {
    const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId }));
    return JSON.parse(SecretString ?? '{}');
  },
  async write(SecretId, secret) {
    await client.send(new PutSecretValueCommand({ SecretId, SecretString: JSON.stringify(secret) }));
  },
};

/** The function behind the custom resource. What it made goes with the secrets, so there is nothing to delete. */
export async function handler(request: ResourceRequest): Promise<void> {
  await respond(request, async () => {
    if (request.RequestType === 'Delete') return {};
    const { HostName = '', ServerSecret = '', ClientSecret = '' } = request.ResourceProperties;
    return makeCertificate(secrets, {
      hostName: HostName,
      serverSecret: ServerSecret,
      clientSecret: ClientSecret,
    });
  });
}
