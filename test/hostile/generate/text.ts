import fc from 'fast-check';

/** Placeholders for the names of two tenants, replaced before a request is sent. The bystander sends no requests. */
export const OWN = 'hostile-0000own';
export const BYSTANDER = 'hostile-000them';

/**
 * Placeholders for a leased key and the lease's token, replaced before a request is sent. Without a granted lease they are sent
 * unchanged.
 */
export const LEASED_KEY = 'hostile-leased';
export const LEASE_TOKEN = 'hostile-tok';

/** Keys that many requests use, so that requests affect each other's entries. */
export const COMMON_KEYS = [
  'k',
  'user:1',
  'user:2',
  'a/b',
  '*',
  '[a-z]*',
  '100%',
  'ключ',
  '__proto__',
  'tenant',
  'invalidate',
  'touch',
  'lease',
  'keys',
  `{cache:${OWN}:0}:e:k`,
] as const;

/** Tags that many requests use. */
export const COMMON_TAGS = ['t', 'doc:1', '*', '[a-z]', 'k', 'ключ', '__proto__'] as const;

/** Characters with a special meaning in store keys, globs, hash tags, URLs, HTTP or JSON. */
const SPECIAL = [...'*?[]^-\\{}:#/%&=+,;. "\'<>|~@!$()_0aZé漢🔑'];

const STORE_NAMES = [
  `{cache:${BYSTANDER}:0}:gen`,
  `{cache:${BYSTANDER}:7}:e:k`,
  `{cache:${OWN}:0}:gen`,
  `{cache:${OWN}:0}:lex`,
  `}:gen{cache:${BYSTANDER}:0}`,
  `e:k}{`,
  '{}',
  '{',
  '{{x}}',
  `${BYSTANDER}:k`,
  BYSTANDER,
];

const PROTOTYPE_NAMES = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'toJSON',
  'then',
];

const PAYLOADS = [
  'k\r\nDEL k',
  '*3\r\n$3\r\nSET\r\n',
  "'; DROP TABLE k; --",
  '%{jndi:ldap://x/y}',
  '{{7*7}}',
  '<script>alert(1)</script>',
  '../../../../etc/passwd',
  '..%2f..%2f',
  '%00',
  '\u0000',
  'a\u0000b',
  '\u202e',
  '\ufeff',
  '\u2028',
  '\u0085',
  'e\u0301',
  'İ',
  '👩‍👩‍👧‍👦',
  '\ud800',
  '\udc00',
  'a\udfffb',
  '\u{10ffff}',
  'NaN',
  'null',
  '-0',
  '1e400',
];

/** Strings around the maximum length of a key, of characters with one to four bytes. */
const longText = fc
  .tuple(
    fc.constantFrom('k', 'é', '漢', '🔑', '*', '{', '%'),
    fc.integer({ min: 1020, max: 1028 }),
    fc.constantFrom('', 'x', 'xy'),
  )
  .map(([unit, bytes, more]) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit))) + more);

/** Any code point, including lone surrogates. Half of them are below U+0300, where the control characters are. */
const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0x10ffff }), fc.integer({ min: 0, max: 0x2ff }))
  .map((code) => String.fromCodePoint(code));

/** Keys, valid and invalid. */
export const keyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(...COMMON_KEYS) },
  { weight: 4, arbitrary: fc.string({ unit: fc.constantFrom(...SPECIAL), minLength: 1, maxLength: 12 }) },
  { weight: 2, arbitrary: fc.constantFrom(...STORE_NAMES, ...PROTOTYPE_NAMES, ...PAYLOADS) },
  { weight: 2, arbitrary: fc.string({ unit: anyCharacter, maxLength: 10 }) },
  { weight: 1, arbitrary: longText },
  { weight: 1, arbitrary: fc.constant('') },
);

const glob = fc.string({
  unit: fc.constantFrom(...'*?[]^-\\', 'a', 'k', 'u', '1', '2', ':', 'é'),
  maxLength: 14,
});

/** Patterns that have brought servers down, or that would bring down a matcher with unlimited backtracking. */
const heavyPattern = fc.oneof(
  fc.integer({ min: 1, max: 2000 }).map((stars) => '*'.repeat(stars)),
  fc.integer({ min: 1, max: 520 }).map((pairs) => `${'*a'.repeat(pairs)}b`),
  fc.integer({ min: 1, max: 520 }).map((pairs) => '*?'.repeat(pairs)),
  fc.integer({ min: 1, max: 300 }).map((classes) => `${'[a-z]'.repeat(classes)}*`),
  fc.integer({ min: 1, max: 250 }).map((classes) => '*[^x]'.repeat(classes)),
  fc.integer({ min: 1, max: 1030 }).map((opened) => '['.repeat(opened)),
  fc.integer({ min: 1, max: 1030 }).map((backslashes) => '\\'.repeat(backslashes)),
  fc.constantFrom(
    '[',
    '[^',
    '[]',
    '[^]',
    '[a-',
    '[z-a]*',
    '[\\',
    '\\',
    '*\\',
    '[]]*',
    '[a-]*',
    '[--]',
    '?'.repeat(1024),
  ),
);

/** Strings around the maximum length of a tag. */
const longTag = fc
  .tuple(fc.constantFrom('t', 'é', '漢', '🔑'), fc.integer({ min: 252, max: 260 }), fc.constantFrom('', 'x'))
  .map(([unit, bytes, more]) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit))) + more);

/** Tags, valid and invalid. */
export const tagText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...COMMON_TAGS) },
  { weight: 12, arbitrary: fc.constantFrom('t', 'doc:1', '*') },
  { weight: 2, arbitrary: fc.string({ unit: fc.constantFrom(...SPECIAL), minLength: 1, maxLength: 12 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...STORE_NAMES, ...PROTOTYPE_NAMES, ...PAYLOADS, '\u0001t\u0001k', ''),
  },
  { weight: 1, arbitrary: longTag },
);

/** Patterns, valid and invalid. */
export const patternText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: keyText },
  { weight: 3, arbitrary: glob },
  { weight: 2, arbitrary: heavyPattern },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'user:*',
      '*:1',
      '?',
      '[a-z]',
      '[z-a]',
      'user:[2-1]',
      '*[^a]',
      '\\*',
      '[\\*k]',
      `*${BYSTANDER}*`,
      `{cache:${BYSTANDER}:*}*`,
    ),
  },
);
