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
  /** Of temporary credentials. */
  sessionToken: string | undefined;
}

/** The service, the region and the time that a signature is valid for. */
export interface SigningScope {
  service: string;
  region: string;
  /** Epoch milliseconds. */
  now: number;
}

/** The credentials in a Lambda function's environment. @throws Error when there are none */
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
 * A presigned GET of `host/` with a query, without its scheme.
 *
 * @param expires seconds for which it is valid
 */
export function presign(
  host: string,
  query: Record<string, string>,
  expires: number,
  credentials: Credentials,
  scope: SigningScope,
): string {
  const { accessKeyId, sessionToken } = credentials;
  const signed = canonicalQuery({
    ...query,
    'X-Amz-Algorithm': ALGORITHM,
    'X-Amz-Credential': `${accessKeyId}/${scopeText(scope)}`,
    'X-Amz-Date': timestamp(scope.now),
    'X-Amz-Expires': String(expires),
    ...(sessionToken && { 'X-Amz-Security-Token': sessionToken }),
    'X-Amz-SignedHeaders': 'host',
  });
  const signature = sign(['GET', '/', signed, `host:${host}\n`, 'host', sha256('')], credentials, scope);
  return `${host}/?${signed}&X-Amz-Signature=${signature}`;
}

/** The headers of a signed POST to `/`: the given ones and those of the signature. Names are in lower case. */
export function signPost(
  headers: Record<string, string>,
  body: string,
  credentials: Credentials,
  scope: SigningScope,
): Record<string, string> {
  const { accessKeyId, sessionToken } = credentials;
  const all: Record<string, string> = {
    ...headers,
    'x-amz-date': timestamp(scope.now),
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
  const { service, region, now } = scope;
  const text = [ALGORITHM, timestamp(now), scopeText(scope), sha256(canonicalRequest.join('\n'))].join('\n');
  const key = [day(now), region, service, 'aws4_request'].reduce<string | Buffer>(
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

const scopeText = ({ now, region, service }: SigningScope) => `${day(now)}/${region}/${service}/aws4_request`;
const timestamp = (now: number) => new Date(now).toISOString().replace(/[-:]|\.\d+/g, '');
const day = (now: number) => timestamp(now).slice(0, 8);
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
