import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { liftMember } from '../../lib/http/verbatim.ts';
import { parses } from './parses.ts';

const space = fc.string({ unit: fc.constantFrom(' ', '\t', '\n', '\r'), maxLength: 2 });

/** A string literal, with and without escapes, those included that look like the end of a string or of a value. */
const literal = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\\"',
        '\\\\',
        '\\/',
        '\\n',
        '\\u0022',
        '\\ud800',
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        'value',
        "'",
      ),
      fc.string({ unit: 'grapheme', maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
    ),
    { maxLength: 5 },
  )
  .map((parts) => `"${parts.join('')}"`);

const number = fc.constantFrom('0', '-0.0', '1.0', '1e400', '12345678901234567890', '-1E-7');

/** A list of texts between brackets, with white space wherever JSON allows it. */
const between = (open: string, items: string[], close: string, spaces: string[]) => {
  const at = (index: number) => spaces[index % spaces.length] ?? '';
  const padded = items.map((item, index) => `${at(2 * index)}${item}${at(2 * index + 1)}`);
  return `${open}${padded.join(',') || at(0)}${close}`;
};

const spaces = fc.array(space, { minLength: 1, maxLength: 7 });

/** Any JSON value, as text. */
const { value } = fc.letrec<{ value: string; list: string; record: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    literal,
    number,
    fc.constantFrom('true', 'false', 'null'),
    tie('list'),
    tie('record'),
  ),
  list: fc
    .tuple(fc.array(tie('value'), { maxLength: 4 }), spaces)
    .map(([items, spaces]) => between('[', items, ']', spaces)),
  record: fc
    .tuple(fc.array(fc.tuple(literal, space, space, tie('value')), { maxLength: 4 }), spaces)
    .map(([members, spaces]) =>
      between(
        '{',
        members.map(([name, before, after, text]) => `${name}${before}:${after}${text}`),
        '}',
        spaces,
      ),
    ),
}));

const memberName = fc.oneof(
  fc.constantFrom('"value"', '"\\u0076alue"', '"v\\u0061lu\\u0065"'),
  fc.constantFrom('"key"', '"values"', '"Value"', '"\\\\value"', '"value "', '"valu\\u0065\\u0065"'),
  literal,
);

/** An object: the names and the texts of its members, and the text of the whole, by what stands for its members. */
const object = fc
  .record({
    members: fc.array(fc.record({ name: memberName, before: space, after: space, text: value }), {
      maxLength: 6,
    }),
    spaces,
    around: fc.tuple(space, space),
  })
  .map(({ members, spaces, around: [start, end] }) => ({
    members: members.map(({ name, text }) => ({ name: JSON.parse(name) as string, text })),
    write: (textOf: (name: string, text: string) => string) => {
      const written = members.map(
        ({ name, before, after, text }) => `${name}${before}:${after}${textOf(JSON.parse(name), text)}`,
      );
      return `${start}${between('{', written, '}', spaces)}${end}`;
    },
  }));

const textsIn = (json: string, name = 'value') => liftMember(json, name).taken.map(({ text }) => text);

const parsesInParts = (json: string) => [liftMember(json, 'value').rest, ...textsIn(json)].every(parses);

describe('lifting a member out of an object', () => {
  test('takes the exact text of every member of that name, and leaves the others as they are', () => {
    fc.assert(
      fc.property(object, ({ members, write }) => {
        const whole = write((_, text) => text);
        const named = members.filter(({ name }) => name === 'value').map(({ text }) => text);
        expect(textsIn(whole)).toEqual(named);
        const { rest } = liftMember(whole, 'value');
        expect(JSON.parse(rest)).toEqual(JSON.parse(write((name, text) => (name === 'value' ? '0' : text))));
      }),
      { numRuns: 2000 },
    );
  });

  test('takes the same value last that a parser would take', () => {
    fc.assert(
      fc.property(object, ({ write }) => {
        const whole = write((_, text) => text);
        const last = textsIn(whole).at(-1);
        const { value } = JSON.parse(whole);
        expect(last === undefined ? undefined : JSON.parse(last)).toEqual(value);
      }),
      { numRuns: 1000 },
    );
  });

  test('gives parts that are valid exactly where the whole is', () => {
    const put = fc.constantFrom(
      '',
      ...'{}[]:,"\\0-e.tn ',
      ...'\u00a0\ufeff\u2028\v\f\0',
      '"value":',
      ',"value":1',
      '\\u00',
      '}{',
    );
    fc.assert(
      fc.property(object, fc.nat(), fc.nat({ max: 3 }), put, ({ write }, at, removed, put) => {
        const whole = write((_, text) => text);
        const from = at % (whole.length + 1);
        const damaged = whole.slice(0, from) + put + whole.slice(from + removed);
        expect(parsesInParts(damaged)).toBe(parses(damaged));
      }),
      { numRuns: 20_000 },
    );
  });

  test('gives parts that are valid exactly where the whole is, whatever the whole', () => {
    const unit = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      ' ',
      '0',
      '"value"',
      '"a"',
      '\u00a0',
    );
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        for (const json of [text, `{${text}`, `{"value":${text}`, `{"value":${text}}`]) {
          expect(parsesInParts(json)).toBe(parses(json));
        }
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ['{"value":1.0}', ['1.0']],
    ['{"value" :\n\t1.0 \r\n}', ['1.0']],
    ['{"value":[1,{"value":2}],"a":{"value":3}}', ['[1,{"value":2}]']],
    ['{"value":"}","value":"\\"}"}', ['"}"', '"\\"}"']],
    ['{"a":"\\\\","value":1}', ['1']],
    ['{"a":"\\\\\\",\\"value\\":2,","value":1}', ['1']],
    ['{"\\u0076\\u0061\\u006c\\u0075\\u0065":1}', ['1']],
    ['{"Value":1,"values":2,"valu":3,"":4}', []],
    ['{}', []],
    ['["value",{"value":1}]', []],
    ['"value"', []],
    ['{"value":1\u00a0}', ['1\u00a0']],
    ['{"value":}', ['']],
  ])('of %s takes %j', (json, texts) => {
    expect(textsIn(json)).toEqual(texts);
  });

  test('takes the member that is asked for', () => {
    expect(textsIn('{"value":1,"items":[2]}', 'items')).toEqual(['[2]']);
  });

  test('counts the arrays and objects of what it takes, and no brackets in strings', () => {
    const count = (text: string) => liftMember(`{"a":[[]],"value":${text}}`, 'value').taken[0]?.containers;
    expect(['1', '"[{"', '[]', '{}', '[[],{"a":[1,"]["]}]'].map(count)).toEqual([0, 0, 1, 1, 4]);
  });

  test('takes what is nested a hundred thousand times', () => {
    const deep = `${'[{"value":'.repeat(50_000)}1${'}]'.repeat(50_000)}`;
    const { rest, taken } = liftMember(`{"value":${deep},"key":"k"}`, 'value');
    expect(rest).toBe('{"value":0,"key":"k"}');
    expect(taken.map(({ containers }) => containers)).toEqual([100_000]);
    expect(taken[0]?.text === deep).toBe(true);
  });
});
