import {
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { type Secrets, storeCertificate } from './certificate.ts';
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

/** The function of the custom resource. A deletion needs no work: the secrets are deleted with the stack. */
export async function handler(request: ResourceRequest): Promise<void> {
  await respond(request, async () => {
    if (request.RequestType === 'Delete') return {};
    const { HostName = '', ServerSecret = '', ClientSecret = '' } = request.ResourceProperties;
    return storeCertificate(secrets, {
      hostName: HostName,
      serverSecret: ServerSecret,
      clientSecret: ClientSecret,
    });
  });
}
