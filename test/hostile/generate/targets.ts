import fc from 'fast-check';
import { BYSTANDER, keyText, OWN, patternText, tagText } from './text.ts';

const API = '/api/v1/cache';

/** Characters that need no percent-encoding in a path or a query. */
const UNRESERVED = /[A-Za-z0-9._~-]/;

/** Ways to encode a text in a URL, the usual one first. Lone surrogates become the three bytes that careless encoders write. */
const ENCODERS: ((text: string) => string)[] = [
  (text) => percent(text, (c) => !UNRESERVED.test(c)),
  (text) => percent(text, (c) => !/[A-Za-z0-9._~!$'()*,;:@-]/.test(c)).toLowerCase(),
  (text) => percent(text, () => true),
  (text) =>
    percent(
      percent(text, (c) => !UNRESERVED.test(c)),
      (c) => c === '%',
    ),
  (text) => percent(text, (c) => /[^\x21-\x7e]|[?#%]/.test(c)),
  (text) => text.replace(/[^\x21-\x7e]|#/g, (c) => `%u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
];

function percent(text: string, needs: (byte: string) => boolean): string {
  return Array.from(bytesOf(text), (byte) => {
    const character = String.fromCharCode(byte);
    return needs(character) ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : character;
  }).join('');
}

/** The UTF-8 bytes of a text. A lone surrogate becomes the three bytes that UTF-8 does not allow. */
function bytesOf(text: string): number[] {
  return [...text].flatMap((character) => {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0xd800 || code > 0xdfff) return [...Buffer.from(character)];
    return [0xed, 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)];
  });
}

const encodedText = (text: fc.Arbitrary<string>) =>
  fc
    .tuple(
      text,
      fc.oneof(
        { weight: 12, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.nat(ENCODERS.length - 1) },
      ),
    )
    .map(([plain, encoder]) => (ENCODERS[encoder] as (text: string) => string)(plain));

const encoded = encodedText(keyText);

const BROKEN = [
  '%',
  '%4',
  '%zz',
  '%FF',
  '%C0%AF',
  '%ED%A0%80',
  '%F5%80%80%80',
  '%C3',
  '%u0041',
  '%00',
  '%0d%0a',
  '%252F',
  '\xe9',
];

const part = fc.oneof(
  { weight: 15, arbitrary: encoded },
  { weight: 1, arbitrary: fc.constantFrom(...BROKEN) },
);

const QUERIES: ((part: string) => string)[] = [
  (key) => `key=${key}`,
  (key) => `other=1&key=${key}&more`,
  (key) => `key=${key}&key=${key}`,
  (key) => `key=${key}&key=k`,
  (key) => `key=&key=${key}`,
  (key) => `KEY=${key}`,
  (key) => `k%65y=${key}`,
  (key) => `key[]=${key}`,
  (key) => `key;=${key}`,
  (key) => `key=${key}?key=k`,
  (key) => `__proto__=${key}`,
  () => 'key',
  () => '',
  () => '&&&=&=key',
];

const byQuery = fc
  .tuple(
    part,
    fc.oneof({ weight: 15, arbitrary: fc.constant(0) }, { weight: 4, arbitrary: fc.nat(QUERIES.length - 1) }),
  )
  .map(([text, query]) => `${API}?${(QUERIES[query] as (part: string) => string)(text)}`);

const byPath = fc
  .tuple(part, fc.constantFrom('', '', '', '', '', '', '?', '?key=k', '/', '//', '/.', ';x'))
  .map(([text, more]) => `${API}/${text}${more}`);

/** Targets with one key, in the path or in the query. */
export const keyTarget = fc.oneof({ weight: 3, arbitrary: byPath }, { weight: 2, arbitrary: byQuery });

/** Targets with a tenant in the path, usually the caller's own. */
export const tenantTarget = fc
  .oneof(
    { weight: 3, arbitrary: fc.constant(OWN) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        BYSTANDER,
        '*',
        '',
        '%2A',
        `${OWN}%2F`,
        `${OWN}%3F`,
        `%68${OWN.slice(1)}`,
        OWN.toUpperCase(),
        `${OWN},${BYSTANDER}`,
        `${OWN}/${BYSTANDER}`,
        `${OWN}%2F..%2F${BYSTANDER}`,
        `${OWN}%00`,
        `${OWN}%20`,
        `${OWN}?tenant_id=${BYSTANDER}`,
        `${BYSTANDER}?tenant_id=${OWN}`,
        `${OWN};${BYSTANDER}`,
      ),
    },
  )
  .map((tenant) => `${API}/tenant/${tenant}`);

const LIMITS = [
  '1',
  '2',
  '100',
  '1000',
  '0003',
  '0',
  '1001',
  '-1',
  '1.5',
  '1e2',
  'x',
  '',
  '+5',
  '%31',
  '9'.repeat(400),
];

const CURSORS = ['', 'x', 'AAAAAAAAAAAAAAAAaw', '%00', '*', 'null'];

const listParameter = fc.oneof(
  { weight: 6, arbitrary: encodedText(patternText).map((pattern) => `pattern=${pattern}`) },
  { weight: 6, arbitrary: encodedText(tagText).map((tag) => `tag=${tag}`) },
  {
    weight: 6,
    arbitrary: fc.constantFrom(...LIMITS, '1', '2', '5', '1000').map((limit) => `limit=${limit}`),
  },
  { weight: 1, arbitrary: fc.constantFrom(...CURSORS).map((cursor) => `cursor=${cursor}`) },
  { weight: 1, arbitrary: fc.constantFrom(...BROKEN).map((broken) => `tag=${broken}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'patern=k',
      'TAG=t',
      'tags=t',
      'limits=1',
      'tag',
      'pattern',
      'key=k',
      '__proto__=x',
      '=',
    ),
  },
);

/** Targets that list the keys of a tenant, usually the caller's own. */
export const listTarget = fc
  .tuple(
    fc.oneof(
      { weight: 9, arbitrary: fc.constant(`${API}/tenant/${OWN}`) },
      { weight: 1, arbitrary: tenantTarget },
    ),
    fc.array(listParameter, { maxLength: 3 }),
  )
  .map(
    ([target, parameters]) =>
      `${target.replace(/\?.*/, '')}/keys${parameters.length > 0 ? '?' : ''}${parameters.join('&')}`,
  );

/** Targets that match no route, or that resemble those of a route. */
export const strayTarget = fc.oneof(
  fc.constantFrom(
    '/',
    '*',
    '//',
    '/api/v1/cache/',
    '/api/v1/cache//k',
    `${API}/./k`,
    `${API}/../cache/k`,
    `${API}%2Fk`,
    `${API}%3Fkey=k`,
    '/API/v1/cache?key=k',
    '/api/v2/cache/k',
    `${API}/tenant`,
    `${API}/tenant/`,
    `${API}/invalidate/`,
    `${API}/invalidate?pattern=*`,
    `${API}/batch`,
    `${API}/batch/`,
    '/health',
    '/health/',
    '/health?tenant=x',
    '/%68ealth',
    '/openapi.json',
    '/favicon.ico',
    '/.env',
    '/functions/get.ts',
    '/../../etc/passwd',
    'http://evil.example/api/v1/cache/k',
    'http://evil.example',
    `HTTP://u:p@evil.example:1/api/v1/cache?key=k`,
    'http://evil.example?key=k',
  ),
  fc.webPath().map((path) => path || '/'),
  fc.array(part, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`),
  fc.array(part, { maxLength: 3 }).map((parts) => `${API}/${parts.join('/')}`),
);
