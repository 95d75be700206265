import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extractRaw } from '../../lib/json/extract.ts';
import { numRuns } from '../support/long-run.ts';
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

/**
 * A literal for a name. None is a single escape: after the V8 of Node 24 (13.6) has parsed `{"a":1,"\\":2}`, it reads the second name of
 * `{"a":1,"\/":2}` as a backslash, and these tests compare with JSON.parse.
 */
const nameLiteral = literal.filter((text) => !(text.includes('\\') && JSON.parse(text).length === 1));

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
    .tuple(fc.array(fc.tuple(nameLiteral, space, space, tie('value')), { maxLength: 4 }), spaces)
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
  nameLiteral,
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

/** An object with a list of objects, and the texts in it that `items[].value` leads to. */
const batch = fc
  .record({
    items: fc.array(object, { maxLength: 4 }),
    others: fc.array(fc.record({ name: nameLiteral, text: value }), { maxLength: 2 }),
    /** What stands among the objects and is none, or is a list of them. */
    stray: fc.option(value),
    spaces,
    around: fc.tuple(space, space),
  })
  .map(({ items, others, stray, spaces, around: [start, end] }) => {
    const listed = items.map(({ write }) => write((_, text) => text));
    const list = between('[', stray === null ? listed : [...listed, `[${stray}]`], ']', spaces);
    const rest = others
      .filter(({ name }) => JSON.parse(name) !== 'items')
      .map(({ name, text }) => `${name}:${text}`);
    return {
      texts: items.flatMap(({ members }) =>
        members.filter(({ name }) => name === 'value').map(({ text }) => text),
      ),
      whole: `${start}${between('{', [...rest, `"items"${start}:${end}${list}`], '}', spaces)}${end}`,
    };
  });

const PATHS = ['value', 'items[].value'];

const textsIn = (json: string, path = 'value') => extractRaw(json, path).rawValues;

const parsesInParts = (json: string, path: string) =>
  [extractRaw(json, path).skeleton, ...textsIn(json, path)].every(parses);

/** What the whole would be parsed to, by its parts. */
function parsedInParts(json: string, path: string): unknown {
  const { skeleton, rawValues } = extractRaw(json, path);
  const whole = JSON.parse(skeleton);
  const put = (holder: unknown) => {
    if (typeof holder !== 'object' || holder === null || !Object.hasOwn(holder, 'value')) return;
    const { value } = holder as { value: number };
    Object.assign(holder, { value: JSON.parse(rawValues[value] ?? 'missing') });
  };
  if (path === 'value') put(whole);
  else for (const item of Array.isArray(whole?.items) ? whole.items : []) if (!Array.isArray(item)) put(item);
  return whole;
}

/** The members of two objects, which have names in common. */
function inside(...objects: string[]): string {
  return objects.map((text) => text.trim().slice(1, -1)).join(',');
}

describe('the extraction of a member', () => {
  test('returns the exact text of every member of that name, and leaves the others unchanged', () => {
    fc.assert(
      fc.property(object, ({ members, write }) => {
        const whole = write((_, text) => text);
        const named = members.filter(({ name }) => name === 'value').map(({ text }) => text);
        expect(textsIn(whole)).toEqual(named);
        const { skeleton } = extractRaw(whole, 'value');
        let pieces = 0;
        const numbered = write((name, text) => (name === 'value' ? String(pieces++) : text));
        expect(JSON.parse(skeleton)).toEqual(JSON.parse(numbered));
      }),
      { numRuns: numRuns(2000) },
    );
  });

  test('returns the exact text of every member of that name in every object of a list', () => {
    fc.assert(
      fc.property(batch, ({ whole, texts }) => {
        expect(textsIn(whole, 'items[].value')).toEqual(texts);
      }),
      { numRuns: numRuns(1000) },
    );
  });

  test('leaves, for a repeated name, the number of the value that a parser of the whole text would keep', () => {
    const whole = fc.oneof(
      object.map(({ write }) => write((_, text) => text)),
      batch.map(({ whole }) => whole),
      fc.tuple(batch, batch).map(([one, other]) => `{"items":1,${inside(one.whole, other.whole)}}`),
    );
    fc.assert(
      fc.property(whole, fc.constantFrom(...PATHS), (json, path) => {
        expect(parsedInParts(json, path)).toEqual(JSON.parse(json));
      }),
      { numRuns: numRuns(2000) },
    );
  });

  test('returns valid parts exactly if the whole JSON text, perhaps damaged, is valid', () => {
    const put = fc.constantFrom(
      '',
      ...'{}[]:,"\\0-e.tn ',
      ...'\u00a0\ufeff\u2028\v\f\0',
      '"value":',
      ',"value":1',
      '\\u00',
      '}{',
    );
    const whole = fc.oneof(
      object.map(({ write }) => write((_, text) => text)),
      batch.map(({ whole }) => whole),
    );
    fc.assert(
      fc.property(whole, fc.nat(), fc.nat({ max: 3 }), put, (whole, at, removed, put) => {
        const from = at % (whole.length + 1);
        const damaged = whole.slice(0, from) + put + whole.slice(from + removed);
        for (const path of PATHS) expect(parsesInParts(damaged, path)).toBe(parses(damaged));
      }),
      { numRuns: numRuns(20_000) },
    );
  });

  test('returns valid parts exactly if the whole is valid, for any text', () => {
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
          expect(parsesInParts(json, 'value')).toBe(parses(json));
        }
        for (const json of [`{"items":${text}}`, `{"items":[${text}]}`, `{"items":[{"value":${text}}]}`]) {
          expect(parsesInParts(json, 'items[].value')).toBe(parses(json));
        }
      }),
      { numRuns: numRuns(5000) },
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
  ])('from %s returns %j', (json, texts) => {
    expect(textsIn(json)).toEqual(texts);
  });

  test('returns the member of the given name', () => {
    expect(textsIn('{"value":1,"items":[2]}', 'items')).toEqual(['[2]']);
  });

  test.each([
    ['{"items":[{"value":1.0},{"value" : [2]}],"value":3}', ['1.0', '[2]']],
    ['{"items":[{"a":{"value":1}},{"value":{"value":2}},[{"value":3}]]}', ['{"value":2}']],
    ['{"items":{"value":1}}', []],
    ['{"items":[]}', []],
    ['{"items":[{}]}', []],
    ['{"items":[ ]}', []],
    ['[{"value":1}]', []],
    ['{"items":[{"value":1}],"\\u0069tems":[{"value":2}]}', ['1', '2']],
    ['{"a":[{"items":[{"value":1}]}]}', []],
  ])('from the list in %s returns %j', (json, texts) => {
    expect(textsIn(json, 'items[].value')).toEqual(texts);
  });

  test('returns the values of a list of a hundred thousand, and leaves their numbers', () => {
    const list = (textOf: (index: number) => string) =>
      `{"items":[${Array.from({ length: 100_000 }, (_, i) => `{"value":${textOf(i)}}`).join(',')}]}`;
    const { skeleton, rawValues } = extractRaw(
      list(() => '[1.0]'),
      'items[].value',
    );
    expect(rawValues).toHaveLength(100_000);
    expect(new Set(rawValues)).toEqual(new Set(['[1.0]']));
    expect(skeleton === list(String)).toBe(true);
  });

  test('returns a value that is nested a hundred thousand times', () => {
    const deep = `${'[{"value":'.repeat(50_000)}1${'}]'.repeat(50_000)}`;
    const { skeleton, rawValues } = extractRaw(`{"value":${deep},"key":"k"}`, 'value');
    expect(skeleton).toBe('{"value":0,"key":"k"}');
    expect(rawValues).toHaveLength(1);
    expect(rawValues[0] === deep).toBe(true);
  });
});
