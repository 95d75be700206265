import fc from 'fast-check';

/** A string as JSON text, either plain or with every character escaped. */
export const quoted = (text: string, escaped: boolean): string =>
  escaped
    ? `"${Array.from({ length: text.length }, (_, i) => `\\u${text.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
    : JSON.stringify(text);

const SCALARS = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1.0',
    '-1.50',
    '1e2',
    '1E+2',
    '1e400',
    '-1e-400',
    '12345678901234567890',
  ],
  ...[
    `1${'0'.repeat(400)}`,
    `0.${'3'.repeat(400)}`,
    `1e${'9'.repeat(30)}`,
    '2592000',
    '2592001',
    '4294967296',
    '9007199254740993',
  ],
  ...['""', '"\\u0000"', '"\\ud800"', '"\\/"', '"\\u2028"', '"漢🔑"', '"</script>"', '"\\"},\\"x\\":{"'],
  ...[
    '[]',
    '{}',
    '[[]]',
    '[null]',
    '{"":null}',
    '{"a":1,"a":2}',
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{}}}',
  ],
  ...['{"value":{"value":1}}', ' [ 1 , 2 ] ', '[1,\n\t2]'],
];

const plain = fc.json({ maxDepth: 3 });

const large = fc.integer({ min: 0, max: 40 }).map((more) => JSON.stringify('é'.repeat(8180 + more)));

const deep = fc
  .tuple(fc.constantFrom(['[', ']'], ['{"a":', '}'], ['[{"":', '}]']), fc.integer({ min: 1, max: 4000 }))
  .map(
    ([[open = '', close = ''], levels]) =>
      `${open.repeat(levels)}${open.includes(':') ? '1' : ''}${close.repeat(levels)}`,
  );

const NOT_JSON = [
  '',
  'undefined',
  'NaN',
  '+1',
  '01',
  '.5',
  '1.',
  '0x1',
  "'a'",
  '[1,]',
  '{a:1}',
  '"\n"',
  '"\\x"',
  '[',
  '{"a":',
  '1 2',
  '\ufeff1',
  '\u00a01',
];

/** JSON texts of all types, and some texts that are not valid JSON. */
export const jsonText: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(...SCALARS) },
  { weight: 4, arbitrary: plain },
  { weight: 1, arbitrary: large },
  { weight: 1, arbitrary: deep },
  { weight: 1, arbitrary: fc.constantFrom(...NOT_JSON) },
);

/** Grace periods as JSON text. Some are valid with most TTLs, some are invalid. */
export const graceText = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('0', '600', '3600', 'null', '-0', '6e2') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('-1', '1.5', '2592000', '2592001', '1e400', '"60"', 'true', '[60]', '{}'),
  },
);

/** Lease durations as JSON text, valid and invalid. */
export const leaseTimeText = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom('30', '300', 'null', '1', '3e1', '60.0') },
  {
    weight: 1,
    arbitrary: fc.constantFrom('0', '-1', '1.5', '301', '1e400', '"30"', 'true', '[30]', '{}'),
  },
);

/** TTLs as JSON text, valid and invalid. The shortest ones expire while the model still has the entries. */
export const ttlText = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('600', '3600', 'null', '2592000', '6e2', '600.0', '1') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '0',
      '-1',
      '1.5',
      '2592001',
      '1e400',
      '"60"',
      'true',
      '[60]',
      '{}',
      '60.000000000000001',
    ),
  },
);
