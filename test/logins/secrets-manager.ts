import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { LOOPBACK } from '../support/engines/ports.ts';
import { reference } from './reference.ts';

export const ARN = 'arn:aws:secretsmanager:eu-central-1:123456789012:secret:cache/backend-AbCdEf';
export const PARAMETER_ARN = 'arn:aws:ssm:eu-central-1:123456789012:parameter/cache/limits';

/** Temporary credentials, like those of a function. */
export const CREDENTIALS = {
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  sessionToken: 'IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCXVzLWVhc3QtMSJHMEUCIQ==',
};

export interface SecretsManager {
  /** The value of AWS_ENDPOINT_URL_SECRETS_MANAGER, and of AWS_ENDPOINT_URL_SSM. */
  url: string;
  /** The current text of the secret and of the parameter; undefined if they do not exist. */
  secret: string | undefined;
  /** The number of requests so far. */
  requests: number;
  stop(): Promise<void>;
}

/**
 * Starts a Secrets Manager with one secret on the loopback address, which is also a Systems Manager with one parameter. Like the real ones
 * it rejects requests without a valid signature. The expected signature is computed by AWS's own implementation.
 */
export async function startSecretsManager(secret: string): Promise<SecretsManager> {
  const server = createServer(async (request, response) => {
    const body = await text(request);
    manager.requests++;
    const respond = (status: number, content: object) =>
      response
        .writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
        .end(JSON.stringify(content));
    const { authorization = '', 'x-amz-date': date = '' } = request.headers;
    const names = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';') ?? [];
    const signed = Object.fromEntries(
      names
        .filter((name) => name !== 'x-amz-date' && name !== 'x-amz-security-token')
        .map((name) => [name, String(request.headers[name])]),
    );
    const target = String(request.headers['x-amz-target']);
    const service = target.startsWith('AmazonSSM.') ? 'ssm' : 'secretsmanager';
    const expected = await reference(service, 'eu-central-1', CREDENTIALS).sign(
      {
        method: 'POST',
        protocol: 'http:',
        hostname: LOOPBACK,
        path: '/',
        headers: signed,
        body,
        query: {},
      },
      { signingDate: parseDate(String(date)) },
    );
    if (!names.includes('host') || expected.headers.authorization !== authorization) {
      respond(403, { __type: 'InvalidSignatureException' });
      return;
    }
    const { SecretId, Name, WithDecryption } = JSON.parse(body);
    const { secret } = manager;
    if (target === 'secretsmanager.GetSecretValue' && SecretId === ARN && secret !== undefined) {
      respond(200, { ARN, SecretString: secret });
    } else if (target === 'AmazonSSM.GetParameter' && Name === PARAMETER_ARN && secret !== undefined) {
      // Without decryption, the value of a SecureString is its ciphertext.
      respond(200, { Parameter: { Name, Value: WithDecryption === true ? secret : 'ciphertext' } });
    } else if (service === 'ssm') respond(400, { __type: 'ParameterNotFound' });
    else respond(400, { __type: 'ResourceNotFoundException' });
  });
  server.listen(0, LOOPBACK);
  await once(server, 'listening');
  const manager: SecretsManager = {
    url: `http://${LOOPBACK}:${(server.address() as AddressInfo).port}`,
    secret,
    requests: 0,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return manager;
}

/** Parses a time like `20260312T190358Z`. */
function parseDate(text: string): Date {
  return new Date(text.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'));
}

/** The environment of a function that reads secrets from this Secrets Manager. */
export function environmentFor({ url }: SecretsManager): Record<string, string> {
  return {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: url,
    AWS_ENDPOINT_URL_SSM: url,
    AWS_ACCESS_KEY_ID: CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: CREDENTIALS.secretAccessKey,
    AWS_SESSION_TOKEN: CREDENTIALS.sessionToken,
  };
}
