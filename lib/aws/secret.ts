import { environmentCredentials, signPost } from './sigv4.ts';

/** Timeout of a request to Secrets Manager, in milliseconds. */
const TIMEOUT_MS = 2_000;

/**
 * The current value of a secret, read from Secrets Manager with the credentials in the environment.
 *
 * As in the AWS SDKs, AWS_ENDPOINT_URL_SECRETS_MANAGER replaces the region's own endpoint.
 *
 * @param arn the secret's complete ARN, which names its region too
 * @throws Error that says why the secret cannot be read, without its content
 */
export async function readSecret(arn: string, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const [, partition, , region = ''] = arn.split(':');
  const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const url = new URL(env.AWS_ENDPOINT_URL_SECRETS_MANAGER || `https://secretsmanager.${region}.${domain}`);
  const body = JSON.stringify({ SecretId: arn });
  const { host, ...headers } = signPost(
    {
      host: url.host,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': 'secretsmanager.GetSecretValue',
    },
    body,
    environmentCredentials(env),
    { service: 'secretsmanager', region, now: Date.now() },
  );
  // `fetch` sends the Host header itself, with the value that was signed.
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const reply = (await response.json()) as { SecretString?: unknown; __type?: unknown };
  if (!response.ok) throw new Error(`Secrets Manager answered ${response.status} ${reply.__type}`);
  if (typeof reply.SecretString !== 'string') throw new Error('The secret is not text');
  return reply.SecretString;
}
