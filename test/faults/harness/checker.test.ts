import { describe, expect, test } from 'vitest';
import { check, type Violation } from './checker.ts';
import type { HistoryEvent, ReadEvent, RemovalEvent, SetEvent, TouchEvent } from './history.ts';
import { readStamp, stampedValue } from './value.ts';

type Times = [began: number, ended: number];

const set = (version: number, [began, ended]: Times, more: Partial<SetEvent> = {}): SetEvent => ({
  kind: 'set',
  tenant: 't',
  key: 'a:1',
  version,
  ttlSeconds: 60,
  done: true,
  began,
  ended,
  ...more,
});
const touch = (ttlSeconds: number, [began, ended]: Times, more: Partial<TouchEvent> = {}): TouchEvent => ({
  kind: 'touch',
  tenant: 't',
  key: 'a:1',
  ttlSeconds,
  done: true,
  began,
  ended,
  ...more,
});
const removal = ([began, ended]: Times, more: Partial<RemovalEvent> = {}): RemovalEvent => ({
  kind: 'removal',
  tenant: 't',
  pattern: 'a:*',
  done: true,
  began,
  ended,
  ...more,
});
const clear = ([began, ended]: Times, tenant = 't'): RemovalEvent => ({
  kind: 'removal',
  tenant,
  done: true,
  began,
  ended,
});
const read = (
  version: number | undefined,
  [began, ended]: Times,
  more: Partial<ReadEvent> = {},
): ReadEvent => ({
  kind: 'read',
  tenant: 't',
  key: 'a:1',
  value: version === undefined ? undefined : stampedValue({ tenant: 't', key: 'a:1', version }),
  began,
  ended,
  ...more,
});

const violations = (history: HistoryEvent[]): Violation[] =>
  check(history).findings.map(({ violation }) => violation);

const failed = { done: false };
const unanswered: Times = [10, Number.POSITIVE_INFINITY];

describe('what a read may return', () => {
  test.each<[string, HistoryEvent[]]>([
    ['what was set', [set(1, [0, 1]), read(1, [2, 3])]],
    ['a miss, at any time', [set(1, [0, 1]), read(undefined, [2, 3])]],
    ['a value whose set is running', [set(1, [0, 10]), read(1, [2, 3])]],
    ['a value that a running set is replacing', [set(1, [0, 1]), set(2, [2, 10]), read(1, [3, 4])]],
    [
      'the value of either of two concurrent sets',
      [set(1, [0, 10]), set(2, [0, 10]), read(1, [11, 12]), read(2, [13, 14])],
    ],
    [
      'an entry that a running invalidation may not have reached',
      [set(1, [0, 1]), removal([2, 10]), read(1, [3, 11])],
    ],
    [
      'an invalidated entry, if the read began before the invalidation ended',
      [set(1, [0, 1]), removal([2, 3]), read(1, [2, 9])],
    ],
    ['a value that was set while the invalidation ran', [set(1, [2, 4]), removal([1, 3]), read(1, [5, 6])]],
    [
      'a value that was set after the invalidation',
      [set(1, [0, 1]), removal([2, 3]), set(2, [4, 5]), read(2, [6, 7])],
    ],
    [
      'an entry that a failed invalidation should have removed',
      [set(1, [0, 1]), removal([2, 3], failed), read(1, [4, 5])],
    ],
    [
      'an entry that the pattern of an invalidation does not match',
      [set(1, [0, 1]), removal([2, 3], { pattern: 'b:*' }), read(1, [4, 5])],
    ],
    ['an entry after the clear of another tenant', [set(1, [0, 1]), clear([2, 3], 'u'), read(1, [4, 5])]],
    ['the value of a set that failed', [set(1, [0, 1], failed), read(1, [2, 3])]],
    ['the value of a set without response', [set(1, unanswered, failed), read(1, [20, 21])]],
    [
      'the value of a failed set if an invalidation ran within its window',
      [set(1, [0, 900], failed), removal([910, 920]), read(1, [930, 931])],
    ],
    ['an older value after a failed set', [set(1, [0, 1]), set(2, [2, 3], failed), read(1, [4, 5])]],
    [
      'an entry whose TTL a touch has extended',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3]), read(1, [9000, 9001])],
    ],
    [
      'an entry whose TTL a failed touch may have extended',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3], failed), read(1, [9000, 9001])],
    ],
    [
      'a fill after an invalidation that began before the lease was granted',
      [removal([0, 3]), set(1, [4, 5], { leasedAt: 2 }), read(1, [6, 7])],
    ],
    [
      'a fill that failed, long after it began',
      [set(1, [0, 1], { ...failed, leasedAt: 0, ttlSeconds: 1 }), read(1, [9000, 9001])],
    ],
    [
      'an entry without the tag of an invalidation',
      [set(1, [0, 1]), removal([2, 3], { pattern: undefined, tag: 'tag 2' }), read(1, [4, 5])],
    ],
    [
      'a stale value, in the response to a lease request',
      [set(1, [0, 1], { ttlSeconds: 1 }), { ...read(1, [9000, 9001]), stale: true }],
    ],
    [
      'an entry within the second of slack after its TTL',
      [set(1, [0, 1], { ttlSeconds: 1 }), read(1, [1999, 2000])],
    ],
  ])('%s', (_, history) => {
    expect(check(history)).toMatchObject({ findings: [] });
  });
});

describe('what a read may not return', () => {
  test.each<[string, Violation, HistoryEvent[]]>([
    ['an entry that was invalidated before', 'stale', [set(1, [0, 1]), removal([2, 3]), read(1, [4, 5])]],
    [
      'an entry that was deleted before',
      'stale',
      [set(1, [0, 1]), removal([2, 3], { key: 'a:1' }), read(1, [4, 5])],
    ],
    ['an entry that was cleared before', 'stale', [set(1, [0, 1]), clear([2, 3]), read(1, [4, 5])]],
    [
      'an invalidated entry, while a later invalidation is running',
      'stale',
      [set(1, [0, 1]), removal([2, 3]), removal([2.5, 100]), read(1, [4, 5])],
    ],
    [
      'an entry that was invalidated by a short call within a longer one',
      'stale',
      [set(1, [0, 1]), removal([0.5, 5]), removal([2, 3]), read(1, [6, 7])],
    ],
    [
      'a fill whose lease was granted before an invalidation',
      'stale',
      [removal([2, 3]), set(1, [4, 5], { leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'a failed fill whose lease was granted before an invalidation',
      'stale',
      [removal([2, 3]), set(1, [4, 5], { ...failed, leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'a fill whose lease was granted before another set',
      'older',
      [set(2, [2, 3]), set(1, [4, 5], { leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'an entry that was invalidated by its tag before',
      'stale',
      [set(1, [0, 1]), removal([2, 3], { pattern: undefined, tag: 'tag 1' }), read(1, [4, 5])],
    ],
    ['a value that was replaced before', 'older', [set(1, [0, 1]), set(2, [2, 3]), read(1, [4, 5])]],
    [
      'a value that was replaced by a failed set whose value has been read',
      'older',
      [set(1, [0, 1]), set(2, [2, 3], failed), read(2, [4, 5]), read(1, [6, 7])],
    ],
    [
      'a failed set that takes effect after an invalidation and after its window',
      'stale',
      [set(1, [0, 900], failed), removal([1001, 1002]), read(1, [1003, 1004])],
    ],
    [
      'a set without response that takes effect after an invalidation and after its window',
      'stale',
      [set(1, unanswered, failed), removal([1011, 1012]), read(1, [1013, 1014])],
    ],
    ["another key's value", 'foreign', [set(1, [0, 1]), read(1, [2, 3], { key: 'a:2' })]],
    ["another tenant's value", 'foreign', [set(1, [0, 1]), read(1, [2, 3], { tenant: 'u' })]],
    ['a value that nobody set', 'torn', [read(1, [2, 3])]],
    ['a value that was set later', 'torn', [set(1, [4, 5]), read(1, [2, 3])]],
    [
      'a value cut short',
      'torn',
      [
        set(1, [0, 1]),
        read(1, [2, 3], {
          value: stampedValue({ tenant: 't', key: 'a:1', version: 1 }).replace(/..."}$/, '"}'),
        }),
      ],
    ],
    [
      'an entry that outlived the TTL of a touch',
      'outlived',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(5, [2, 3]), read(1, [6004, 6005])],
    ],
    [
      'an entry that outlived its TTL, if only another key was touched',
      'outlived',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3], { key: 'a:2' }), read(1, [2002, 2003])],
    ],
    [
      'an entry that outlived its TTL',
      'outlived',
      [set(1, [0, 1], { ttlSeconds: 1 }), read(1, [2002, 2003])],
    ],
  ])('%s', (_, violation, history) => {
    expect(violations(history)).toEqual([violation]);
    // The order of the history does not matter.
    expect(violations([...history].reverse())).toEqual([violation]);
  });
});

test('reads and hits are counted', () => {
  expect(check([set(1, [0, 1]), read(1, [2, 3]), read(undefined, [4, 5])])).toMatchObject({
    reads: 2,
    hits: 1,
  });
});

test('the stamp of a value can be read, whatever its length', () => {
  for (let version = 0; version < 8; version++) {
    const stamp = { tenant: 't', key: 'k "with quotes"', version };
    expect(readStamp(stampedValue(stamp))).toEqual(stamp);
  }
});

test('a part of one value joined with a part of another has no valid stamp', () => {
  const [one, other] = [3, 7].map((version) => stampedValue({ tenant: 't', key: 'k', version })) as [
    string,
    string,
  ];
  for (let at = 40; at < one.length - 3; at += 97) {
    expect(readStamp(one.slice(0, at) + other.slice(at))).toBeUndefined();
  }
});
