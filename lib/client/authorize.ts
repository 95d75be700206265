import { check, checkString, isObject } from './checks.ts';
import { hex, sha256 } from './runtime.ts';
import type { Authorize, Outgoing } from './types.ts';

/**
 * Sends a bearer token such as a JWT. A function is called for each request, and may return a cached token.
 *
 * @throws TypeError for a token that is not a string, such as a variable that is not set
 */
export function bearer(token: string | (() => string | Promise<string>)): Authorize {
  check(typeof token === 'string' || typeof token === 'function', 'token must be a string or a function');
  return async () => {
    const current = typeof token === 'string' ? token : await token();
    checkString('token', current);
    return { authorization: `Bearer ${current}` };
  };
}

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Temporary credentials have one. */
  sessionToken?: string | undefined;
}

export interface SigV4Options {
  /** For example `eu-central-1`. */
  region: string;
  /** A function, such as the AWS SDK's credential providers, is called for each request. */
  credentials: Credentials | (() => Credentials | Promise<Credentials>);
  /** `lambda` for a function URL. Default: `execute-api`, for API Gateway. */
  service?: string | undefined;
  /** Epoch milliseconds. Default: `Date.now`. AWS rejects a signature whose time is off by more than five minutes. */
  now?: (() => number) | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * Signs each request for an API with IAM authorization: AWS Signature Version 4, by the Web Crypto API of servers and browsers.
 *
 * Source: IAM User Guide, "Create a signed AWS API request".
 *
 * @throws TypeError if the region or the credentials are missing, which AWS would answer with a 403 that gives no reason
 */
export function sigV4(options: SigV4Options): Authorize {
  check(isObject(options), 'options must be an object, e.g. { region, credentials }');
  const { region, credentials, service = 'execute-api', now = Date.now } = options;
  checkString('region', region);
  check(
    isObject(credentials) || typeof credentials === 'function',
    'credentials must be an object or a function',
  );
  return async (request) => {
    const current = typeof credentials === 'function' ? await credentials() : credentials;
    check(isObject(current), 'credentials must be an object');
    const { accessKeyId, secretAccessKey, sessionToken } = current;
    checkString('credentials.accessKeyId', accessKeyId);
    checkString('credentials.secretAccessKey', secretAccessKey);
    const time = new Date(now()).toISOString().replace(/[-:]|\.\d+/g, '');
    const day = time.slice(0, 8);
    const added: Record<string, string> = {
      'x-amz-date': time,
      ...(sessionToken && { 'x-amz-security-token': sessionToken }),
    };
    const signed = signedHeaders(request, added);
    const names = signed.map(([name]) => name).join(';');
    const canonical = [
      request.method,
      canonicalPath(request.url),
      canonicalQuery(request.url),
      ...signed.map(([name, value]) => `${name}:${value}`),
      '',
      names,
      await sha256(request.body),
    ].join('\n');

    const scope = `${day}/${region}/${service}/aws4_request`;
    const key = await signingKey(secretAccessKey, [day, region, service, 'aws4_request']);
    const text = [ALGORITHM, time, scope, await sha256(canonical)].join('\n');
    const signature = hex(await hmac(key, text));
    const authorization = `${ALGORITHM} Credential=${accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
    return { ...added, authorization };
  };
}

/**
 * Headers to sign besides `host` and `x-amz-*`. Others are left out because they may change on the way: instrumentation replaces
 * `traceparent`, and proxies add or replace headers.
 */
const SIGNED = new Set(['content-type', 'x-tenant-id', 'x-user-id']);

/** Names and values of the headers to sign, sorted by name. */
function signedHeaders({ url, headers }: Outgoing, added: Record<string, string>): [string, string][] {
  const all = { ...headers, ...added, host: new URL(url).host };
  return Object.entries(all)
    .filter(([name]) => name === 'host' || SIGNED.has(name) || name.startsWith('x-amz-'))
    .map(([name, value]): [string, string] => [name, value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The path without empty segments, with each segment encoded a second time. */
function canonicalPath(url: string): string {
  return new URL(url).pathname
    .replace(/\/{2,}/g, '/')
    .split('/')
    .map(encode)
    .join('/');
}

function canonicalQuery(url: string): string {
  return [...new URL(url).searchParams]
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .sort(([a, x], [b, y]) => (a === b ? (x < y ? -1 : 1) : a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`)
    .join('&');
}

/** Percent-encodes all but RFC 3986's unreserved characters; `encodeURIComponent` leaves five more unencoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

const utf8 = new TextEncoder();

async function signingKey(secret: string, parts: string[]): Promise<Uint8Array<ArrayBuffer>> {
  let key: Uint8Array<ArrayBuffer> = utf8.encode(`AWS4${secret}`);
  for (const part of parts) key = await hmac(key, part);
  return key;
}

async function hmac(key: Uint8Array<ArrayBuffer>, text: string): Promise<Uint8Array<ArrayBuffer>> {
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const imported = await crypto.subtle.importKey('raw', key, algorithm, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, utf8.encode(text)));
}
