import { environmentCredentials, signPost } from './sigv4.ts';

/** How long Secrets Manager may take, in milliseconds. */
const TIMEOUT_MS = 2_000;

/**
 * The current value of a secret, read from Secrets Manager with the credentials in the environment.
 *
 * As in the AWS SDKs, AWS_ENDPOINT_URL_SECRETS_MANAGER says where Secrets Manager is, if not at the region's own endpoint.
 *
 * @param arn the secret's complete ARN, which names its region too
 * @throws Error that says why it cannot be read, and nothing of what is in it
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
  // The platform sends the Host header itself: the one that was signed.
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  const answer = (await response.json()) as { SecretString?: unknown; __type?: unknown };
  if (!response.ok) throw new Error(`Secrets Manager answered ${response.status} ${answer.__type}`);
  if (typeof answer.SecretString !== 'string') throw new Error('The secret is not text');
  return answer.SecretString;
}
