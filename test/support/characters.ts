import fc from 'fast-check';

/** The code points of surrogates, which are no characters. */
const SURROGATES = { from: 0xd800, count: 0x800 };

/**
 * Any character, for `fc.string({ unit: anyCharacter })`. As fast-check's own unit `binary`, which needs a second per test file for a
 * table of all of them.
 */
export const anyCharacter: fc.Arbitrary<string> = fc
  .integer({ min: 0, max: 0x10ffff - SURROGATES.count })
  .map(
    (index) => String.fromCodePoint(index < SURROGATES.from ? index : index + SURROGATES.count),
    (character) => {
      const codePoint = typeof character === 'string' ? character.codePointAt(0) : undefined;
      if (codePoint === undefined || String.fromCodePoint(codePoint) !== character)
        throw new Error('no character');
      return codePoint < SURROGATES.from ? codePoint : codePoint - SURROGATES.count;
    },
  );
