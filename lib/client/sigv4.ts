import { check, checkString, isObject } from './checks.ts';
import { hex } from './runtime.ts';
import type { Authorize, Outgoing } from './types.ts';

/**
 * AWS Signature Version 4 by the Web Crypto API, which servers and browsers have alike.
 *
 * Source: IAM User Guide, «Create a signed AWS API request».
 */
export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary credentials. */
  sessionToken?: string | undefined;
}

export interface SigV4Options {
  /** As `eu-central-1`. */
  region: string;
  /** A function is asked for each request: the AWS SDK's credential providers, which know when to ask again, are such. */
  credentials: Credentials | (() => Credentials | Promise<Credentials>);
  /** `execute-api`, which is API Gateway's, unless given; `lambda` for a function's own URL. */
  service?: string | undefined;
  /** Epoch milliseconds; `Date.now` unless given. AWS refuses a signature that is five minutes off. */
  now?: (() => number) | undefined;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';

/**
 * Signs each request with AWS credentials, as an API behind IAM wants it.
 *
 * @throws TypeError where the region or the credentials are missing, which AWS would answer with a bare 403
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
 * What says whose request it is and what it holds. The others are left out: instrumentation that follows a trace writes its
 * own `traceparent` over one that is there, and a proxy may do as much to others.
 */
const SIGNED = new Set(['content-type', 'x-tenant-id', 'x-user-id']);

/** Names and values of the headers to sign, by name. */
function signedHeaders({ url, headers }: Outgoing, added: Record<string, string>): [string, string][] {
  const all = { ...headers, ...added, host: new URL(url).host };
  return Object.entries(all)
    .filter(([name]) => name === 'host' || SIGNED.has(name) || name.startsWith('x-amz-'))
    .map(([name, value]): [string, string] => [name, value.replace(/[ \t]+/g, ' ').replace(/^ | $/g, '')])
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The path without empty segments, and encoded once more than it is on the wire. */
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

/** Percent-encodes all but what RFC 3986 calls unreserved; `encodeURIComponent` leaves five more as they are. */
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

async function sha256(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8.encode(text))));
}
