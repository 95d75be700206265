import { globMatches } from '../../support/glob.ts';
import {
  type HistoryEvent,
  type ReadEvent,
  type RemovalEvent,
  type SetEvent,
  type TouchEvent,
  tagOf,
} from './history.ts';
import { readStamp } from './value.ts';

/**
 * Why a read must not have returned its value:
 *
 * - `stale`: after the value was written, an invalidation, a clear or a delete began, which succeeded before the read began;
 * - `older`: after the value was written, a set of the same key began, which succeeded or was seen by another read before this
 *   read began;
 * - `foreign`: the value belongs to another key or tenant;
 * - `torn`: the value was never written, or its set began only after the read had ended;
 * - `outlived`: the read began more than a second after the latest expiry that a set or a touch can have given the entry.
 *
 * A miss is always allowed, because a cache may evict.
 */
export type Violation = 'stale' | 'older' | 'foreign' | 'torn' | 'outlived';

export interface Finding {
  violation: Violation;
  read: ReadEvent;
  /** The set whose value was read, and the event that had removed or replaced the value. */
  set?: SetEvent;
  since?: RemovalEvent | SetEvent | ReadEvent;
}

export interface Verdict {
  /** Number of checked reads, and of hits among them. Without hits the check proves nothing. */
  reads: number;
  hits: number;
  findings: Finding[];
}

/**
 * Time after its begin within which a set or touch that failed or got no response may take effect, in milliseconds. If the
 * response arrives later, the time ends with the response. A successful one takes effect before its response. The store applies
 * them within 850 ms; the rest allows for the way from the caller to the store and for the rounding of clocks.
 */
const SET_WINDOW_MS = 1000;

/** Time that an entry may be readable after its TTL, in milliseconds. */
const TTL_SLACK_MS = 1000;

/** Checks every read of a history against the operations that had completed when the read began. */
export function check(history: readonly HistoryEvent[]): Verdict {
  const lastEffect = (event: SetEvent | TouchEvent) => {
    const { began, ended, done } = event;
    if (done) return ended;
    // A set with a lease has no deadline.
    if ('leasedAt' in event) return Number.POSITIVE_INFINITY;
    return Math.max(began + SET_WINDOW_MS, finite(ended));
  };
  // The entry cannot have been replaced between the lease and the set with it.
  const earliestEffect = ({ began, leasedAt }: SetEvent) => leasedAt ?? began;
  const sets = new Map<number, SetEvent>();
  for (const event of history) if (event.kind === 'set') sets.set(event.version, event);

  /** The latest time at which an entry can have expired. Touches that began after the read do not count. */
  const latestEnd = (set: SetEvent, touches: TouchEvent[], read: ReadEvent) =>
    Math.max(
      ...[set, ...touches.filter(({ began }) => began <= read.ended)].map(
        (event) => lastEffect(event) + event.ttlSeconds * 1000,
      ),
    );

  const findings: Finding[] = [];
  let reads = 0;
  let hits = 0;
  for (const ofKey of byKey(history).values()) {
    const removed = new EventIndex();
    const replaced = new EventIndex();
    const touches: TouchEvent[] = [];
    const seen: { read: ReadEvent; set: SetEvent }[] = [];
    for (const event of ofKey) {
      if (event.kind === 'removal' && event.done) removed.add(event.began, event.ended, event);
      if (event.kind === 'set' && event.done) replaced.add(earliestEffect(event), event.ended, event);
      if (event.kind === 'touch') touches.push(event);
      if (event.kind !== 'read') continue;
      reads++;
      if (event.value === undefined) continue;
      hits++;
      const stamp = readStamp(event.value);
      const set = stamp && sets.get(stamp.version);
      if (!stamp || !set || set.began > event.ended) {
        findings.push({ violation: 'torn', read: event });
      } else if (stamp.tenant !== event.tenant || stamp.key !== event.key) {
        findings.push({ violation: 'foreign', read: event, set });
      } else {
        seen.push({ read: event, set });
        // The value was read, so its set has taken effect, whatever its response was.
        replaced.add(earliestEffect(set), event.ended, event);
      }
    }
    for (const { read, set } of seen) {
      const last = set.leasedAt ?? lastEffect(set);
      const removal = removed.after(last, read.began);
      const replacement = replaced.after(last, read.began);
      if (removal) findings.push({ violation: 'stale', read, set, since: removal });
      else if (replacement) findings.push({ violation: 'older', read, set, since: replacement });
      else if (!read.stale && read.began > latestEnd(set, touches, read) + TTL_SLACK_MS)
        findings.push({ violation: 'outlived', read, set });
    }
  }
  return { reads, hits, findings };
}

/** A list of a key's events, in which {@link after} finds one that lies entirely between two times. */
class EventIndex {
  readonly #all: { began: number; ended: number; what: RemovalEvent | SetEvent | ReadEvent }[] = [];
  #latest: number[] | undefined;

  add(began: number, ended: number, what: RemovalEvent | SetEvent | ReadEvent): void {
    this.#all.push({ began, ended, what });
    this.#latest = undefined;
  }

  /** Returns an event that began after `from` and ended before `to`. */
  after(from: number, to: number): RemovalEvent | SetEvent | ReadEvent | undefined {
    this.#latest ??= this.#index();
    let low = 0;
    let high = this.#all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#all[middle]?.ended ?? 0) < to) low = middle + 1;
      else high = middle;
    }
    const found = this.#all[this.#latest[low - 1] ?? -1];
    return found && found.began > from ? found.what : undefined;
  }

  /** Sorts the events by their end, and returns for each position the event up to there that began last. */
  #index(): number[] {
    this.#all.sort((a, b) => a.ended - b.ended);
    let best = 0;
    return this.#all.map(({ began }, index) => {
      if (began > (this.#all[best]?.began ?? 0)) best = index;
      return best;
    });
  }
}

/** Groups a history by key. A removal appears in the group of every key that it covers. */
function byKey(history: readonly HistoryEvent[]): Map<string, HistoryEvent[]> {
  const tenants = new Map<string, Map<string, HistoryEvent[]>>();
  const keysOf = (tenant: string) => {
    const keys = tenants.get(tenant) ?? new Map<string, HistoryEvent[]>();
    tenants.set(tenant, keys);
    return keys;
  };
  for (const event of history) {
    if (event.kind === 'removal') continue;
    const keys = keysOf(event.tenant);
    const events = keys.get(event.key);
    if (events) events.push(event);
    else keys.set(event.key, [event]);
  }
  const covered = new Map<string, HistoryEvent[][]>();
  const coveredBy = ({ tenant, key, pattern, tag }: RemovalEvent): HistoryEvent[][] => {
    const name = JSON.stringify([tenant, key, pattern, tag]);
    const known = covered.get(name);
    if (known) return known;
    const covers = (each: string) =>
      tag !== undefined
        ? tagOf(each) === tag
        : key === undefined
          ? pattern === undefined || globMatches(pattern, each)
          : key === each;
    const found = [...keysOf(tenant)].flatMap(([each, events]) => (covers(each) ? [events] : []));
    covered.set(name, found);
    return found;
  };
  for (const event of history) {
    if (event.kind === 'removal') for (const events of coveredBy(event)) events.push(event);
  }
  return new Map(
    [...tenants].flatMap(([tenant, keys]) => [...keys].map(([key, events]) => [`${tenant}\n${key}`, events])),
  );
}

function finite(time: number): number {
  return Number.isFinite(time) ? time : 0;
}
