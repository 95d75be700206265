import fc from 'fast-check';

/** Stand for the names of two tenants, of whom the second never asks for anything, until a request is sent. */
export const OWN = 'hostile-0000own';
export const BYSTANDER = 'hostile-000them';

/**
 * Stand for a key on which a lease was granted and for the token of the lease until a request is sent. If none was granted, they are
 * sent as they are.
 */
export const LEASED_KEY = 'hostile-leased';
export const LEASE_TOKEN = 'hostile-tok';

/** Keys of which requests speak again and again, so that they meet. */
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

/** Tags of which requests speak again and again. */
export const COMMON_TAGS = ['t', 'doc:1', '*', '[a-z]', 'k', 'ключ', '__proto__'] as const;

/** What means something to a store, a glob, a hash tag, a URL, HTTP or JSON. */
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

/** Strings of about the greatest length that a key may have, in characters of one to four bytes. */
const longText = fc
  .tuple(
    fc.constantFrom('k', 'é', '漢', '🔑', '*', '{', '%'),
    fc.integer({ min: 1020, max: 1028 }),
    fc.constantFrom('', 'x', 'xy'),
  )
  .map(([unit, bytes, more]) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit))) + more);

/** Any character there is, also half of one; every second from where control characters are. */
const anyCharacter = fc
  .oneof(fc.integer({ min: 0, max: 0x10ffff }), fc.integer({ min: 0, max: 0x2ff }))
  .map((code) => String.fromCodePoint(code));

/** Texts to name a key by, valid and not. */
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

/** Patterns that took servers down, or would take one that tries out every way to match. */
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

/** Strings of about the greatest length that a tag may have. */
const longTag = fc
  .tuple(fc.constantFrom('t', 'é', '漢', '🔑'), fc.integer({ min: 252, max: 260 }), fc.constantFrom('', 'x'))
  .map(([unit, bytes, more]) => unit.repeat(Math.floor(bytes / Buffer.byteLength(unit))) + more);

/** Tags, valid and not. */
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

/** Patterns to invalidate by, valid and not. */
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
