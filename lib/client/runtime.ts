/**
 * The runtime's functions that the client uses. The types compile with TypeScript's DOM library, with the types of Node, Deno or
 * Bun, and without any of them.
 */

/** `AbortSignal` if its type is known. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer Known } }
  ? Known
  : AnySignal;

interface AnySignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** The part of `fetch` that the client uses: the runtime's own, or a wrapper. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchResponse>;

export interface FetchRequest {
  method: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** JSON text. */
  body?: string;
  /** Following a redirect would send credentials to another host. */
  redirect: 'manual';
  signal: Signal;
  /** Absent if the runtime does not support this option. */
  cache?: 'no-store';
}

export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

let noStore: Pick<FetchRequest, 'cache'> | undefined;

/**
 * Prevents caches between client and service from storing responses: without it, Next.js stores responses to GET forever. Empty if
 * the runtime does not support it: Cloudflare Workers throw up to the compatibility date 2024-11-11, and React Native, whose
 * `Request` drops the option, would add a parameter to the URL.
 */
export function noStoreOption(): Pick<FetchRequest, 'cache'> {
  if (noStore === undefined) {
    noStore = {};
    try {
      const { cache } = new Request('http://localhost', { cache: 'no-store' });
      if (cache === 'no-store') noStore = { cache };
    } catch {
      // Not supported.
    }
  }
  return noStore;
}

/**
 * Whether a framework threw this error to end a render, and has to receive it unchanged. Next.js does so at build time for a page
 * that requests what must not be stored. It marks such errors with a `digest`, some with a code.
 */
export function isControlFlow(error: unknown): boolean {
  const { digest, code } = (error ?? {}) as { digest?: unknown; code?: unknown };
  return typeof digest === 'string' || (typeof code === 'string' && code.startsWith('NEXT_'));
}

/** A UUID v4. Browsers offer `crypto.randomUUID` only to pages loaded over HTTPS. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Lower-case hexadecimal. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const utf8 = new TextEncoder();

/** The digest of a text in UTF-8, in lower-case hexadecimal. Browsers offer it only to pages loaded over HTTPS. */
export async function sha256(text: string): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', utf8.encode(text))));
}
