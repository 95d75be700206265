import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isJson } from '../../lib/json/validate.ts';
import { numRuns } from '../support/long-run.ts';
import { parses } from './parses.ts';

/** Valid JSON into which something was put, or from which something was taken: most of it is not valid any more. */
const damaged = fc
  .tuple(
    fc.json({ maxDepth: 4 }),
    fc.nat(),
    fc.nat({ max: 3 }),
    fc.constantFrom(
      '',
      ...'[]{},:"\\ 01-+.eEutfn\n\u0000',
      '\\u12',
      '\\u12aG',
      'null',
      '01',
      '1.',
      '.5',
      '1e',
      '\ufeff',
    ),
  )
  .map(([json, at, taken, put]) => {
    const start = at % (json.length + 1);
    return json.slice(0, start) + put + json.slice(start + taken);
  });

describe('the JSON validator', () => {
  test('accepts what JSON.parse accepts', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.json(), damaged, fc.string({ unit: fc.constantFrom(...'[]{},:"1 ') })),
        (text) => {
          expect(isJson(text)).toBe(parses(text));
        },
      ),
      { numRuns: numRuns(20_000) },
    );
  });

  test.each(['1', '-0', '1e400', 'true', '""', ' [ ] ', '{}', '[[],{}]', '{"a":{"b":[]}}', '"\\ud800"'])(
    'accepts %s',
    (text) => {
      expect(isJson(text)).toBe(true);
    },
  );

  test.each([
    '',
    ' ',
    '[',
    ']',
    '{',
    '[1,]',
    '{"a":1,}',
    '{"a"}',
    '{1:1}',
    '[}',
    '{]',
    '1 2',
    '-',
    '01',
    '"',
    '"\\x"',
    '"\u0001"',
    'nul',
    "'a'",
    '[1]]',
  ])('rejects %j', (text) => {
    expect(isJson(text)).toBe(false);
  });

  test('accepts millions of nested arrays and objects', () => {
    expect(isJson('['.repeat(2 ** 21) + ']'.repeat(2 ** 21))).toBe(true);
    expect(isJson(`${'[{"a":'.repeat(2 ** 19)}1${'}]'.repeat(2 ** 19)}`)).toBe(true);
    expect(isJson(`${'[{"a":'.repeat(2 ** 19)}1${']}'.repeat(2 ** 19)}`)).toBe(false);
    expect(isJson('['.repeat(2 ** 21))).toBe(false);
  });
});
