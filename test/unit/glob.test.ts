import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileGlob } from '../../lib/store/glob.ts';
import { anyCharacter } from '../support/characters.ts';
import { numRuns } from '../support/long-run.ts';

const matches = (pattern: string, key: string) => compileGlob(pattern).matches(Buffer.from(key));

describe('a glob', () => {
  test.each([
    ['user:*', 'user:', undefined, false],
    ['*', '', undefined, true],
    ['***', '', undefined, true],
    ['user:1', 'user:1', 'user:1', false],
    [String.raw`a\*b`, 'a*b', 'a*b', false],
    ['a?c', 'a', undefined, false],
    ['a[b]c', 'a', undefined, false],
    ['a\\', 'a\\', 'a\\', false],
    ['漢*', '漢', undefined, false],
  ])('%s: prefix %j, literal %j, all %j', (pattern, prefix, literal, all) => {
    const glob = compileGlob(pattern);
    expect({ prefix: glob.prefix.toString(), literal: glob.literal, all: glob.all }).toEqual({
      prefix,
      literal,
      all,
    });
  });

  test('works on bytes, as Redis does', () => {
    expect(matches('?', 'é')).toBe(false);
    expect(matches('??', 'é')).toBe(true);
    expect(matches('[é][é]', 'é')).toBe(true);
  });

  test('with all special characters escaped matches the key itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: anyCharacter, minLength: 1 }), (key) => {
        const glob = compileGlob(key.replace(/[*?[\]\\^-]/g, '\\$&'));
        expect(glob.literal).toBe(key);
        expect(glob.matches(Buffer.from(key))).toBe(true);
        expect(glob.matches(Buffer.from(`${key}x`))).toBe(false);
      }),
    );
  });

  test('matches only keys that begin with its prefix', () => {
    const unit = fc.constantFrom('a', 'b', '*', '?', '[', ']', '\\', 'é');
    fc.assert(
      fc.property(fc.string({ unit }), fc.string({ unit }), (pattern, key) => {
        const glob = compileGlob(pattern);
        const bytes = Buffer.from(key);
        fc.pre(glob.matches(bytes));
        expect(bytes.subarray(0, glob.prefix.length)).toEqual(glob.prefix);
      }),
      { numRuns: numRuns(2000) },
    );
  });

  test.each([
    ['stars', '*a'.repeat(512)],
    ['stars and question marks', '*?'.repeat(512)],
    ['stars and classes', '*[ab]'.repeat(200)],
    ['long segments', `*${'a'.repeat(500)}?${'a'.repeat(500)}b*`],
    ['a segment of half the key', `*${'a'.repeat(510)}?b*`],
    ['a segment of question marks', `*${'?'.repeat(510)}b*`],
    ['a segment of classes', `*${'[a-z]'.repeat(200)}b*`],
  ])('takes a time linear in the key for each star: %s', (_, pattern) => {
    // A matcher that tries again from every star would not come back from the first of these.
    const glob = compileGlob(pattern);
    const key = Buffer.from(`${'a'.repeat(1023)}`);
    let steps = 0;
    const counted = new Proxy(key, {
      get: (target, property) => {
        if (typeof property === 'string' && /^\d+$/.test(property)) steps++;
        const member = Reflect.get(target, property, target);
        return typeof member === 'function' ? member.bind(target) : member;
      },
    });
    glob.matches(counted);
    // And once more for what stands at its ends.
    const stars = pattern.split('*').length - 1;
    expect(steps).toBeLessThanOrEqual(key.length * (stars + 1));
  });
});
