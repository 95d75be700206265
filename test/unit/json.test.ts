import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JsonText, toJson } from '../../lib/json/raw.ts';

describe('plain data', () => {
  test('is serialized as by JSON.stringify', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }), (data) => {
        expect(toJson(data)).toBe(JSON.stringify(data));
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [{ a: undefined, b: 1, c: { d: undefined } }],
    [{ b: 1, a: 2, 1: 3 }],
    [JSON.parse('{"__proto__":1,"constructor":{"prototype":2}}')],
    [{ '"': '"', '\ud800': '\udc00', '\u2028': '\0' }],
    [[null, Number.NaN, -0, 1e21]],
    [{}],
    [[]],
    [''],
    [null],
  ])('is serialized as by JSON.stringify: %j', (data) => {
    expect(toJson(data)).toBe(JSON.stringify(data));
  });
});

describe('a JSON text within data', () => {
  test('is serialized unchanged at any position', () => {
    const text = '[ 1.0,12345678901234567890 ,{"a":1,"a":-0.0} ]';
    const json = new JsonText(text);
    expect(toJson(json)).toBe(text);
    expect(toJson({ value: json, found: true })).toBe(`{"value":${text},"found":true}`);
    expect(toJson([json, { items: [json] }])).toBe(`[${text},{"items":[${text}]}]`);
  });
});
