import { createHash, createHmac } from 'node:crypto';

/**
 * The parts of AWS Signature Version 4 that the service needs: a presigned URL and a signed POST. The AWS SDK would cost a cold
 * start more than the rest of the code together.
 *
 * Source: IAM User Guide, "Create a signed AWS API request".
 */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Only temporary credentials have one. */
  sessionToken: string | undefined;
}

/** The service, the region and the time that a signature is valid for. */
export interface SigningScope {
  service: string;
  region: string;
  nowEpochMs: number;
}

/** The credentials in a Lambda function's environment. @throws Error if there are none */
export function environmentCredentials(env: NodeJS.ProcessEnv = process.env): Credentials {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = env;
  if (!AWS_ACCESS_KEY_ID || !AWS_SECRET_ACCESS_KEY) {
    throw new Error('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set');
  }
  return {
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    sessionToken: AWS_SESSION_TOKEN || undefined,
  };
}

/**
 * Signs a GET of `host/` with a query.
 *
 * @param expiresSeconds for how long the signature is valid
 * @returns the presigned URL without its scheme
 */
export function presign(
  host: string,
  query: Record<string, string>,
  expiresSeconds: number,
  credentials: Credentials,
  scope: SigningScope,
): string {
  const { accessKeyId, sessionToken } = credentials;
  const signed = canonicalQuery({
    ...query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${accessKeyId}/${scopeText(scope)}`,
    'X-Amz-Date': timestamp(scope.nowEpochMs),
    'X-Amz-Expires': String(expiresSeconds),
    ...(sessionToken && { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  });
  const signature = sign(['GET', '/', signed, `host:${host}\n`, 'host', sha256('')], credentials, scope);
  return `${host}/?${signed}&X-Amz-Signature=${signature}`;
}

/** Signs a POST to `/`. @returns the given headers and those of the signature; names are in lower case */
export function signPost(
  headers: Record<string, string>,
  body: string,
  credentials: Credentials,
  scope: SigningScope,
): Record<string, string> {
  const { accessKeyId, sessionToken } = credentials;
  const all: Record<string, string> = {
    ...headers,
    'x-amz-date': timestamp(scope.nowEpochMs),
    ...(sessionToken && { 'x-amz-security-token': sessionToken }),
  };
  const names = Object.keys(all).sort();
  const canonical = names.map((name) => `${name}:${all[name]?.trim()}\n`).join('');
  const signedHeaders = names.join(';');
  const signature = sign(['POST', '/', '', canonical, signedHeaders, sha256(body)], credentials, scope);
  const credential = `${accessKeyId}/${scopeText(scope)}`;
  return {
    ...all,
    authorization: `${ALGORITHM} Credential=${credential}, SignedHeaders=${signedHeaders}, Signature=${signature}`,
  };
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

function sign(canonicalRequest: string[], { secretAccessKey }: Credentials, scope: SigningScope): string {
  const { service, region, nowEpochMs } = scope;
  const text = [ALGORITHM, timestamp(nowEpochMs), scopeText(scope), sha256(canonicalRequest.join('\n'))].join(
    '\n',
  );
  const key = [day(nowEpochMs), region, service, 'aws4_request'].reduce<string | Buffer>(
    (signingKey, part) => createHmac('sha256', signingKey).update(part).digest(),
    `AWS4${secretAccessKey}`,
  );
  return createHmac('sha256', key).update(text).digest('hex');
}

function canonicalQuery(query: Record<string, string>): string {
  return Object.keys(query)
    .sort()
    .map((name) => `${encode(name)}=${encode(query[name] ?? '')}`)
    .join('&');
}

/** Percent-encodes all but the unreserved characters of RFC 3986; `encodeURIComponent` leaves five more unencoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const scopeText = ({ nowEpochMs, region, service }: SigningScope) =>
  `${day(nowEpochMs)}/${region}/${service}/aws4_request`;
const timestamp = (epochMs: number) => new Date(epochMs).toISOString().replace(/[-:]|\.\d+/g, '');
const day = (epochMs: number) => timestamp(epochMs).slice(0, 8);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
