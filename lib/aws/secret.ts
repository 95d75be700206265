import { environmentCredentials, signPost } from './sigv4.ts';

/** Timeout of a request to Secrets Manager, in milliseconds. */
const TIMEOUT_MS = 2_000;

/**
 * Reads the current value of a secret from Secrets Manager, with the credentials in the environment. As in the AWS SDKs,
 * `AWS_ENDPOINT_URL_SECRETS_MANAGER` replaces the region's endpoint.
 *
 * @param arn the secret's complete ARN, which contains its region
 * @throws Error whose message contains no part of the secret
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
    { service: 'secretsmanager', region, nowEpochMs: Date.now() },
  );
  // `fetch` adds the Host header, with the value that was signed.
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    // A proxy's response need not be JSON.
    const { __type = '' } = (await response.json().catch(() => ({}))) as { __type?: unknown };
    throw new Error(`Secrets Manager returned ${response.status} ${__type}`.trim());
  }
  const reply = (await response.json()) as { SecretString?: unknown };
  if (typeof reply.SecretString !== 'string') throw new Error('The secret is binary, not a string');
  return reply.SecretString;
}

/**
 * Parses a secret that is a URL, or JSON with any of the given members. Other members are ignored.
 *
 * @throws Error whose message contains no part of the secret
 */
export function parseSecret<Name extends string>(
  secret: string,
  names: readonly ['url', ...Name[]],
): { [Member in 'url' | Name]?: string } {
  if (!secret.trimStart().startsWith('{'))
    return { url: secret.trim() } as { [Member in 'url' | Name]?: string };
  let members: Record<string, unknown>;
  try {
    members = JSON.parse(secret);
  } catch {
    // The parser's message would quote the secret.
    throw new Error('The secret is not valid JSON');
  }
  const known = names.filter((name) => members[name] !== undefined).map((name) => [name, members[name]]);
  if (!known.every(([, value]) => typeof value === 'string')) {
    throw new Error(`Each of the members ${names.join(', ')} of the secret must be a string`);
  }
  return Object.fromEntries(known);
}
