/** Times of a request and of its response by the caller's `now()`. If the operation took effect, it was between them. */
interface Span {
  began: number;
  /** Infinity if there was no response. */
  ended: number;
}

/** A set. If it failed or got no response, it may or may not have taken effect. */
export interface SetEvent extends Span {
  kind: 'set';
  tenant: string;
  key: string;
  version: number;
  ttlSeconds: number;
  done: boolean;
  /**
   * For a set with a lease: the time of the response that granted the lease. The set may be sent at any time and more than once,
   * but it must not take effect after an event that removed or replaced the entry since then.
   */
  leasedAt?: number;
}

/** A touch. If it failed or got no response, it may or may not have changed the TTL. */
export interface TouchEvent extends Span {
  kind: 'touch';
  tenant: string;
  key: string;
  ttlSeconds: number;
  done: boolean;
}

/** A delete, an invalidation or a clear. */
export interface RemovalEvent extends Span {
  kind: 'removal';
  tenant: string;
  /** The key of a delete, or the pattern or tag of an invalidation. All are undefined for a clear. */
  key?: string;
  pattern?: string;
  /** The tag of an invalidation. Every entry of a key has the tag {@link tagOf} the key. */
  tag?: string;
  /** Whether it succeeded. A failed removal guarantees nothing. */
  done: boolean;
}

/** A successful get or lease request. */
export interface ReadEvent extends Span {
  kind: 'read';
  tenant: string;
  key: string;
  /** The value's JSON text; undefined for a miss. */
  value: string | undefined;
  /** A lease request may return a value whose TTL has passed. */
  stale?: boolean;
}

/** Returns the tag of all entries of a key. All values of a key have the same tag, so that a removal by tag covers keys. */
export function tagOf(key: string): string {
  return `tag ${key.slice(-1)}`;
}

export type HistoryEvent = SetEvent | TouchEvent | RemovalEvent | ReadEvent;
