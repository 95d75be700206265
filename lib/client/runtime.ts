/**
 * What the client takes from where it runs, as types that hold whether these come from TypeScript's DOM library, from Node's
 * types, from Deno's or Bun's, or from nowhere.
 */

/** `AbortSignal`, where the types of one are known. */
export type Signal = typeof globalThis extends { AbortSignal: { prototype: infer Known } }
  ? Known
  : AnySignal;

interface AnySignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** What the client asks of `fetch`. The runtime's own is one, and so is any function around it. */
export type Fetch = (url: string, request: FetchRequest) => Promise<FetchResponse>;

export interface FetchRequest {
  method: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  /** JSON text. */
  body?: string;
  /** A redirect is an answer like others: to follow it would take credentials to another place. */
  redirect: 'manual';
  signal: Signal;
  /** Absent where the runtime does not know this option. */
  cache?: 'no-store';
}

export interface FetchResponse {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}

let noStore: Pick<FetchRequest, 'cache'> | undefined;

/**
 * The option by which nothing between the client and the service stores an answer: without it Next.js stores the answer to a GET
 * for good. Cloudflare Workers throw on it up to the compatibility date 2024-11-11, and React Native, whose `Request` drops it,
 * adds a parameter to the URL instead.
 */
export function noStoreOption(): Pick<FetchRequest, 'cache'> {
  if (noStore === undefined) {
    noStore = {};
    try {
      const { cache } = new Request('http://localhost', { cache: 'no-store' });
      if (cache === 'no-store') noStore = { cache };
    } catch {
      // The runtime has no such option.
    }
  }
  return noStore;
}

/**
 * Whether an error is how a framework ends a render, such as Next.js where a page that it renders at build time asks for what
 * must not be stored. The framework has to get the error itself. It marks it with a `digest`, and a few with a code.
 */
export function isControlFlow(error: unknown): boolean {
  const { digest, code } = (error ?? {}) as { digest?: unknown; code?: unknown };
  return typeof digest === 'string' || (typeof code === 'string' && code.startsWith('NEXT_'));
}

/** A UUID v4. Browsers have `crypto.randomUUID` on pages that came by HTTPS only, and random bytes on all. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return hex(bytes).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** Two lower-case digits for each byte. */
export function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
