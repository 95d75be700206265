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
    ['nothing, at any time', [set(1, [0, 1]), read(undefined, [2, 3])]],
    ['what is being set', [set(1, [0, 10]), read(1, [2, 3])]],
    ['what is being replaced', [set(1, [0, 1]), set(2, [2, 10]), read(1, [3, 4])]],
    [
      'either of two sets side by side',
      [set(1, [0, 10]), set(2, [0, 10]), read(1, [11, 12]), read(2, [13, 14])],
    ],
    [
      'what an invalidation that is not over may not have reached',
      [set(1, [0, 1]), removal([2, 10]), read(1, [3, 11])],
    ],
    [
      'what was answered after the invalidation, if it was asked for before',
      [set(1, [0, 1]), removal([2, 3]), read(1, [2, 9])],
    ],
    ['what was set while the invalidation ran', [set(1, [2, 4]), removal([1, 3]), read(1, [5, 6])]],
    [
      'what was set after the invalidation',
      [set(1, [0, 1]), removal([2, 3]), set(2, [4, 5]), read(2, [6, 7])],
    ],
    ['what a failed invalidation was to remove', [set(1, [0, 1]), removal([2, 3], failed), read(1, [4, 5])]],
    ['what another pattern removed', [set(1, [0, 1]), removal([2, 3], { pattern: 'b:*' }), read(1, [4, 5])]],
    ['what was cleared for another tenant', [set(1, [0, 1]), clear([2, 3], 'u'), read(1, [4, 5])]],
    ['the value of a set that failed', [set(1, [0, 1], failed), read(1, [2, 3])]],
    ['the value of a set that was never answered', [set(1, unanswered, failed), read(1, [20, 21])]],
    [
      'the value of a set that failed and whose window an invalidation met',
      [set(1, [0, 900], failed), removal([910, 920]), read(1, [930, 931])],
    ],
    ['an older value beside a set that failed', [set(1, [0, 1]), set(2, [2, 3], failed), read(1, [4, 5])]],
    [
      'what a touch has given more time',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3]), read(1, [9000, 9001])],
    ],
    [
      'what a touch that failed may have given more time',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3], failed), read(1, [9000, 9001])],
    ],
    [
      'what was filled after an invalidation that began before its lease was answered',
      [removal([0, 3]), set(1, [4, 5], { leasedAt: 2 }), read(1, [6, 7])],
    ],
    [
      'what was filled by a set that failed, long after it began',
      [set(1, [0, 1], { ...failed, leasedAt: 0, ttlSeconds: 1 }), read(1, [9000, 9001])],
    ],
    [
      'what has another tag than an invalidation',
      [set(1, [0, 1]), removal([2, 3], { pattern: undefined, tag: 'tag 2' }), read(1, [4, 5])],
    ],
    [
      'a stale value, for a lease request',
      [set(1, [0, 1], { ttlSeconds: 1 }), { ...read(1, [9000, 9001]), stale: true }],
    ],
    ['what has a second left of grace', [set(1, [0, 1], { ttlSeconds: 1 }), read(1, [1999, 2000])]],
  ])('%s', (_, history) => {
    expect(check(history)).toMatchObject({ findings: [] });
  });
});

describe('what a read may not return', () => {
  test.each<[string, Violation, HistoryEvent[]]>([
    ['what was invalidated before', 'stale', [set(1, [0, 1]), removal([2, 3]), read(1, [4, 5])]],
    ['what was deleted before', 'stale', [set(1, [0, 1]), removal([2, 3], { key: 'a:1' }), read(1, [4, 5])]],
    ['what was cleared before', 'stale', [set(1, [0, 1]), clear([2, 3]), read(1, [4, 5])]],
    [
      'what was invalidated, when a later invalidation is still running',
      'stale',
      [set(1, [0, 1]), removal([2, 3]), removal([2.5, 100]), read(1, [4, 5])],
    ],
    [
      'what was invalidated by a short call within a long one',
      'stale',
      [set(1, [0, 1]), removal([0.5, 5]), removal([2, 3]), read(1, [6, 7])],
    ],
    [
      'what was filled with a lease from before an invalidation',
      'stale',
      [removal([2, 3]), set(1, [4, 5], { leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'what was filled, by a set that failed, with a lease from before an invalidation',
      'stale',
      [removal([2, 3]), set(1, [4, 5], { ...failed, leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'what was filled with a lease from before another set',
      'older',
      [set(2, [2, 3]), set(1, [4, 5], { leasedAt: 1 }), read(1, [6, 7])],
    ],
    [
      'what was invalidated by its tag before',
      'stale',
      [set(1, [0, 1]), removal([2, 3], { pattern: undefined, tag: 'tag 1' }), read(1, [4, 5])],
    ],
    ['what was replaced before', 'older', [set(1, [0, 1]), set(2, [2, 3]), read(1, [4, 5])]],
    [
      'what was replaced by a set that failed and yet was seen',
      'older',
      [set(1, [0, 1]), set(2, [2, 3], failed), read(2, [4, 5]), read(1, [6, 7])],
    ],
    [
      'a failed set that comes true after the invalidation, past its window',
      'stale',
      [set(1, [0, 900], failed), removal([1001, 1002]), read(1, [1003, 1004])],
    ],
    [
      'a set without answer that comes true after the invalidation, past its window',
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
      'what outlived the time that a touch gave it',
      'outlived',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(5, [2, 3]), read(1, [6004, 6005])],
    ],
    [
      "what another key's touch gave more time",
      'outlived',
      [set(1, [0, 1], { ttlSeconds: 1 }), touch(9, [2, 3], { key: 'a:2' }), read(1, [2002, 2003])],
    ],
    ['what outlived its time', 'outlived', [set(1, [0, 1], { ttlSeconds: 1 }), read(1, [2002, 2003])]],
  ])('%s', (_, violation, history) => {
    expect(violations(history)).toEqual([violation]);
    // In whatever order it was written down.
    expect(violations([...history].reverse())).toEqual([violation]);
  });
});

test('reads and hits are counted', () => {
  expect(check([set(1, [0, 1]), read(1, [2, 3]), read(undefined, [4, 5])])).toMatchObject({
    reads: 2,
    hits: 1,
  });
});

test('a value says whose it is, whatever its length', () => {
  for (let version = 0; version < 8; version++) {
    const stamp = { tenant: 't', key: 'k "with quotes"', version };
    expect(readStamp(stampedValue(stamp))).toEqual(stamp);
  }
});

test('no part of one value with a part of another is a value', () => {
  const [one, other] = [3, 7].map((version) => stampedValue({ tenant: 't', key: 'k', version })) as [
    string,
    string,
  ];
  for (let at = 40; at < one.length - 3; at += 97) {
    expect(readStamp(one.slice(0, at) + other.slice(at))).toBeUndefined();
  }
});
