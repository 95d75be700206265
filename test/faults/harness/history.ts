/** When something was asked for and when it was answered, by the caller's own `now()`: it took effect in between, if it did. */
interface Span {
  began: number;
  /** Infinity: never answered. */
  ended: number;
}

/** A set. One that failed, or was not answered, may or may not have taken. */
export interface SetEvent extends Span {
  kind: 'set';
  tenant: string;
  key: string;
  version: number;
  ttlSeconds: number;
  done: boolean;
  /**
   * For a set with a lease, when the lease was answered. It may be sent at any time and more than once, but it must not take effect after
   * anything that removed or replaced the entry since then.
   */
  leasedAt?: number;
}

/** A touch. One that failed, or was not answered, may or may not have changed the TTL. */
export interface TouchEvent extends Span {
  kind: 'touch';
  tenant: string;
  key: string;
  ttlSeconds: number;
  done: boolean;
}

/** Whatever takes entries away: of one key, of all that match a pattern, of all of a tenant. */
export interface RemovalEvent extends Span {
  kind: 'removal';
  tenant: string;
  /** The key of a delete, or the pattern or the tag of an invalidation; none of them: a clear. */
  key?: string;
  pattern?: string;
  /** The tag of an invalidation. Every entry of a key has the tag {@link tagOf} the key. */
  tag?: string;
  /** Only one that was answered with success promises anything. */
  done: boolean;
}

/** A get or a lease request that was answered with success. */
export interface ReadEvent extends Span {
  kind: 'read';
  tenant: string;
  key: string;
  /** The value's text; undefined: a miss. */
  value: string | undefined;
  /** A lease request may return a value whose TTL has passed. */
  stale?: boolean;
}

/** The tag of all entries of a key, so that a removal by tag covers keys whatever was set last. */
export function tagOf(key: string): string {
  return `tag ${key.slice(-1)}`;
}

export type HistoryEvent = SetEvent | TouchEvent | RemovalEvent | ReadEvent;
