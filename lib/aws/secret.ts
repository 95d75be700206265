import { environmentCredentials, signPost } from './sigv4.ts';

interface ReadOptions {
  /** Default: 2 seconds. */
  timeoutMs?: number;
  /** Has the credentials. As in the AWS SDKs, `AWS_ENDPOINT_URL_SECRETS_MANAGER` and `AWS_ENDPOINT_URL_SSM` replace a region's endpoint. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Reads the current value of a secret from Secrets Manager.
 *
 * @param arn the secret's complete ARN, which contains its region
 * @throws Error whose message contains no part of the secret
 */
export async function readSecret(arn: string, options: ReadOptions = {}): Promise<string> {
  const { env = process.env } = options;
  const call = {
    service: 'secretsmanager',
    title: 'Secrets Manager',
    target: 'secretsmanager.GetSecretValue',
    endpoint: env.AWS_ENDPOINT_URL_SECRETS_MANAGER,
  };
  const { SecretString } = (await post(arn, call, { SecretId: arn }, options)) as { SecretString?: unknown };
  if (typeof SecretString !== 'string') throw new Error('The secret is binary, not a string');
  return SecretString;
}

/**
 * Reads the current value of a parameter from Systems Manager, and decrypts it if it is a SecureString.
 *
 * @param arn the parameter's ARN, which contains its region
 * @throws Error whose message contains no part of the value
 */
export async function readParameter(arn: string, options: ReadOptions = {}): Promise<string> {
  const { env = process.env } = options;
  const call = {
    service: 'ssm',
    title: 'Systems Manager',
    target: 'AmazonSSM.GetParameter',
    endpoint: env.AWS_ENDPOINT_URL_SSM,
  };
  const body = { Name: arn, WithDecryption: true };
  const { Parameter } = (await post(arn, call, body, options)) as { Parameter?: { Value?: unknown } };
  if (typeof Parameter?.Value !== 'string') throw new Error('Systems Manager returned no value');
  return Parameter.Value;
}

interface Call {
  service: string;
  /** The service's name, for messages. */
  title: string;
  target: string;
  /** Replaces the region's endpoint. */
  endpoint: string | undefined;
}

async function post(
  arn: string,
  { service, title, target, endpoint }: Call,
  parameters: object,
  { timeoutMs = 2000, env = process.env }: ReadOptions,
): Promise<unknown> {
  const [, partition, , region = ''] = arn.split(':');
  const domain = partition === 'aws-cn' ? 'amazonaws.com.cn' : 'amazonaws.com';
  const url = new URL(endpoint || `https://${service}.${region}.${domain}`);
  const body = JSON.stringify(parameters);
  const { host, ...headers } = signPost(
    { host: url.host, 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': target },
    body,
    environmentCredentials(env),
    { service, region, nowEpochMs: Date.now() },
  );
  // `fetch` adds the Host header, with the value that was signed.
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body,
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (!response.ok) {
    // A proxy's response need not be JSON.
    const { __type = '' } = (await response.json().catch(() => ({}))) as { __type?: unknown };
    throw new Error(`${title} returned ${response.status} ${__type}`.trim());
  }
  return response.json();
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
