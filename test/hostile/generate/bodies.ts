import fc from 'fast-check';
import { graceText, jsonText, leaseTimeText, quoted, ttlText } from './json.ts';
import { BYSTANDER, keyText, LEASE_TOKEN, LEASED_KEY, OWN, patternText, tagText } from './text.ts';

/** One member of an object, as JSON text. */
interface Member {
  name: string;
  text: string;
}

const space = fc.constantFrom('', '', '', '', ' ', '\n\t ', '\u00a0');

const asString = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.nat(9)).map(([content, dice]) => quoted(content, dice === 0));

/** Usually a JSON string, sometimes a JSON value of another type. */
const stringly = (text: fc.Arbitrary<string>) =>
  fc.oneof(
    { weight: 15, arbitrary: asString(text) },
    { weight: 1, arbitrary: fc.constantFrom('null', '1', 'true', '[]', '{}', '["k"]', '{"toString":"k"}') },
  );

const member = (name: string, text: fc.Arbitrary<string>): fc.Arbitrary<Member> =>
  text.map((value) => ({ name, text: value }));

const key = member('key', stringly(keyText));
const value = member('value', jsonText);
const ttl = member('ttl', ttlText);
const grace = member('grace', graceText);
const leasedKey = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ name: 'key', text: JSON.stringify(LEASED_KEY) }) },
  { weight: 1, arbitrary: key },
);
const leaseTime = member('lease', leaseTimeText);
const token = member(
  'lease',
  fc.oneof(
    { weight: 12, arbitrary: fc.constant(JSON.stringify(LEASE_TOKEN)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'null',
        '""',
        '30',
        '{}',
        '"AAAAAAAAAAA"',
        '"AAAAAAAAAA"',
        '"AAAAAAAAAA+"',
        '"AAAAAAAAAAA\\n"',
        `["${LEASE_TOKEN}"]`,
        `{"token":"${LEASE_TOKEN}"}`,
      ),
    },
  ),
);
const tags = member(
  'tags',
  fc.oneof(
    {
      weight: 10,
      arbitrary: fc
        .array(stringly(tagText), { minLength: 1, maxLength: 3 })
        .map((list) => `[${list.join(',')}]`),
    },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        'null',
        '[]',
        '"t"',
        '{}',
        '{"0":"t","length":1}',
        `[${Array(16).fill('"t"')}]`,
        `[${Array(17).fill('"t"')}]`,
        `[${Array(9000).fill('0')}]`,
        '["t",["t"]]',
      ),
    },
  ),
);
const pattern = member('pattern', stringly(patternText));
const tenant = member(
  'tenant_id',
  stringly(
    fc.constantFrom(OWN, OWN, OWN, BYSTANDER, '*', '', OWN.toUpperCase(), `${OWN},${BYSTANDER}`, ` ${OWN}`),
  ),
);
const other = fc
  .tuple(
    fc.constantFrom(
      'other',
      '',
      'Key',
      'KEY',
      'value ',
      'key\u0000',
      '__proto__',
      'constructor',
      'toJSON',
      'then',
      'keys',
      'items',
      'TTL',
      'url',
      'values',
      'vlaue',
      'Lease',
      'release',
      'lease ',
      'grcae',
      'tag',
      'Tags',
      'tags ',
    ),
    jsonText,
  )
  .map(([name, text]) => ({ name, text }));

/** Misspellings of `pattern`, and other members that a caller might send instead. */
const misspelled = fc
  .constantFrom('patern', 'Pattern', 'pattern ', 'pattern\u0000', 'patterns', 'key', 'toString')
  .chain((name) => member(name, stringly(patternText)));

/** An endpoint's members in any order. Usually each occurs once; sometimes one is missing, repeated or unknown. */
function members(...known: fc.Arbitrary<Member>[]): fc.Arbitrary<Member[]> {
  const usual = known.map((one) =>
    fc.oneof({ weight: 30, arbitrary: one.map((m) => [m]) }, { weight: 1, arbitrary: fc.constant([]) }),
  );
  const extra = fc.oneof(
    { weight: 12, arbitrary: fc.constant([]) },
    { weight: 2, arbitrary: fc.array(other, { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(fc.oneof(...known), { minLength: 1, maxLength: 3 }) },
  );
  return fc
    .tuple(fc.tuple(...usual), extra, fc.nat(1000))
    .map(([lists, more, turn]) => rotate([...lists.flat(), ...more], turn));
}

function rotate<T>(list: T[], turn: number): T[] {
  const at = list.length > 0 ? turn % list.length : 0;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** The JSON text of an object. `dice` selects the member whose name is written with escapes, if any. */
const object = (list: fc.Arbitrary<Member[]>) =>
  fc.tuple(list, space, fc.nat(30)).map(([all, gap, dice]) => {
    const texts = all.map(
      ({ name, text }, i) => `${gap}${quoted(name, dice === i)}${gap}:${gap}${text}${gap}`,
    );
    return `{${texts.join(',')}}`;
  });

const plainSet = object(members(key, value, fc.oneof(ttl, ttl, other)));
const set = fc.oneof(
  { weight: 2, arbitrary: plainSet },
  { weight: 1, arbitrary: object(members(key, value, fc.oneof(ttl, tags), grace)) },
  { weight: 1, arbitrary: object(members(key, value, ttl, tags)) },
  { weight: 1, arbitrary: object(members(leasedKey, value, fc.oneof(ttl, grace, tags), token)) },
);

const list = (element: fc.Arbitrary<string>) =>
  fc
    .oneof(
      { weight: 8, arbitrary: fc.array(element, { maxLength: 6 }) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(element, fc.integer({ min: 98, max: 102 }))
          .map(([one, n]) => Array<string>(n).fill(one)),
      },
    )
    .map((elements) => `[${elements.join(',')}]`);

/** Valid and nearly valid bodies by the endpoint's path below the API's. */
const bodies: Record<string, fc.Arbitrary<string>> = {
  '': set,
  '/touch': object(members(key, ttl)),
  '/lease': object(members(fc.oneof(key, key, leasedKey), fc.oneof(leaseTime, leaseTime, tags, other))),
  '/lease/release': object(members(leasedKey, token)),
  '/invalidate': object(
    fc.oneof(
      { weight: 6, arbitrary: members(pattern, fc.oneof(tenant, other, other)) },
      { weight: 3, arbitrary: members(tags, fc.oneof(tenant, other, other)) },
      { weight: 1, arbitrary: members(misspelled, tenant) },
      { weight: 1, arbitrary: members(pattern, tags) },
    ),
  ),
  '/batch/get': fc.oneof(
    object(members(member('keys', list(stringly(keyText))))),
    object(members(member('keys', list(stringly(keyText))), leaseTime)),
    object(members(member('keys', list(stringly(keyText))), leaseTime, tags)),
  ),
  '/batch/set': object(members(member('items', list(set)))),
  '/batch/delete': object(members(member('keys', list(stringly(keyText))))),
};

/** Changes the bytes of a body at the byte offset `at`. */
type Damage = (bytes: string, at: number) => string;

const insert =
  (what: string): Damage =>
  (bytes, at) =>
    bytes.slice(0, at) + what + bytes.slice(at);

const utf8 = (text: string) => Buffer.from(text).toString('latin1');

const DAMAGES: Damage[] = [
  (bytes, at) => bytes.slice(0, at),
  (bytes, at) => bytes.slice(at),
  (bytes, at) => bytes.slice(0, at) + bytes.slice(at + 1),
  (bytes, at) => bytes + bytes.slice(at),
  (bytes, at) =>
    bytes.slice(0, at) + String.fromCharCode((bytes.charCodeAt(at) ^ 0x20) & 0xff) + bytes.slice(at + 1),
  (bytes, at) => bytes.slice(0, at) + String.fromCharCode(bytes.charCodeAt(at) | 0x80) + bytes.slice(at + 1),
  ...[
    '\xff',
    '\xc3',
    '\xed\xa0\x80',
    '\xc0\xaf',
    '\xf5\x80\x80\x80',
    '\0',
    '"',
    '\\',
    '{',
    '}',
    ',',
    ':',
    '\\u',
    '\r\n',
  ].map(insert),
  ...['/**/', '//', '\xef\xbb\xbf', utf8('\u2028'), '"key":"k",', '"value":1,', '"value":[,],'].map(insert),
  (bytes) => `\xef\xbb\xbf${bytes}`,
  (bytes) => `[${bytes}]`,
  (bytes) => JSON.stringify(bytes),
  (bytes) => Buffer.from(bytes, 'latin1').toString('base64'),
  (bytes) => Buffer.from(bytes, 'utf16le').toString('latin1'),
  (bytes) => ` \n\r\t${bytes} \n`,
  (bytes) => `${bytes}${bytes}`,
  (bytes) => bytes.replace('{', `{"padding":"${'x'.repeat(70_000)}",`),
  (bytes) => bytes.replace(/}$/, `,"padding":[${'"x",'.repeat(16_380)}1]}`),
  () => '',
];

/** Bodies of POST requests to a path below the API's, as bytes, some of them damaged. */
export function bodyFor(path: string): fc.Arbitrary<string> {
  const body = (bodies[path] ?? set).map(utf8);
  return fc.oneof(
    { weight: 5, arbitrary: body },
    {
      weight: 1,
      arbitrary: fc
        .tuple(body, fc.constantFrom(...DAMAGES.keys()), fc.nat(1_000_000))
        .map(([bytes, damage, at]) => (DAMAGES[damage] as Damage)(bytes, at % (bytes.length + 1))),
    },
  );
}
