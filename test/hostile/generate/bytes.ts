import fc from 'fast-check';
import { encode } from '../wire/encode.ts';
import { hostileRequest } from './requests.ts';
import { BYSTANDER, OWN } from './text.ts';

const API = '/api/v1/cache';
const TENANT = `X-Tenant-ID: ${OWN}`;
const JSON_TYPE = 'Content-Type: application/json';
const SET = '{"key":"k","value":1}';

/** Joins lines to the bytes of a request head. */
const lines = (...all: string[]): string => `${all.join('\r\n')}\r\n\r\n`;
const get = (...headers: string[]): string => lines(`GET ${API}/k HTTP/1.1`, 'Host: a', TENANT, ...headers);
const post = (body: string, ...headers: string[]): string =>
  lines(`POST ${API} HTTP/1.1`, 'Host: a', TENANT, JSON_TYPE, ...headers) + body;

const chunked = (body: string): string => post(body, 'Transfer-Encoding: chunked');
const theirs = lines(`DELETE ${API}/tenant/${BYSTANDER} HTTP/1.1`, 'Host: a', `X-Tenant-ID: ${OWN}`);

/** Bytes that have crashed HTTP servers, or that a server and the proxy before it have parsed differently (request smuggling). */
export const ATTACKS: Readonly<Record<string, string>> = {
  'a length and chunks': post(`0\r\n\r\n${theirs}`, 'Content-Length: 5', 'Transfer-Encoding: chunked'),
  'chunks and a length': post(
    `5\r\n{"key\r\n0\r\n\r\n${theirs}`,
    'Transfer-Encoding: chunked',
    'Content-Length: 5',
  ),
  'two lengths': post(SET, 'Content-Length: 0', `Content-Length: ${SET.length}`),
  'two lengths that agree': post(SET, `Content-Length: ${SET.length}`, `Content-Length: ${SET.length}`),
  'a list of lengths': post(SET, `Content-Length: ${SET.length}, ${SET.length}`),
  'a length with a sign': post(SET, `Content-Length: +${SET.length}`),
  'a negative length': post(SET, 'Content-Length: -1'),
  'a hexadecimal length': post(SET, 'Content-Length: 0x15'),
  'a length with a fraction': post(SET, 'Content-Length: 21.0'),
  'a length too large for a number': post(SET, `Content-Length: ${'9'.repeat(30)}`),
  'an empty length': post(SET, 'Content-Length: '),
  'a length without its body': post('', 'Content-Length: 21'),
  'a length that is too short': post(SET, 'Content-Length: 7'),
  'a length that is too long': post(SET, 'Content-Length: 700'),
  'a body without a length': post(SET),
  'an unknown transfer coding': post(SET, 'Transfer-Encoding: xchunked'),
  'chunked not as the last coding': post(SET, 'Transfer-Encoding: chunked, gzip'),
  'two codings': post('0\r\n\r\n', 'Transfer-Encoding: gzip, chunked'),
  'chunked twice': post('0\r\n\r\n', 'Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'),
  'a coding after a tab': post('0\r\n\r\n', 'Transfer-Encoding:\tchunked'),
  'a coding whose header name ends in a space': post('0\r\n\r\n', 'Transfer-Encoding : chunked'),
  'a coding in quotes': post('0\r\n\r\n', 'Transfer-Encoding: "chunked"'),
  'a chunk without a size': chunked(`\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk whose size is no number': chunked(`zz\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk of a negative size': chunked(`-1\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk size too large for a number': chunked(`${'f'.repeat(20)}\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk longer than its size': chunked(`3\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk shorter than its size': chunked(`ff\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk with extensions': chunked(`15;a=b;c="d"\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk with a very long extension': chunked(`15;${'a'.repeat(50_000)}\r\n${SET}\r\n0\r\n\r\n`),
  'a chunk that ends in a line feed alone': chunked(`15\n${SET}\n0\n\n`),
  'trailers that name a tenant': chunked(
    `15\r\n${SET}\r\n0\r\nX-Tenant-ID: ${BYSTANDER}\r\nContent-Length: 5\r\n\r\n`,
  ),
  'very many trailers': chunked(`15\r\n${SET}\r\n0\r\n${'A: b\r\n'.repeat(20_000)}\r\n`),
  'no Host': lines(`GET ${API}/k HTTP/1.1`, TENANT),
  'two Hosts': get('Host: b'),
  'an empty Host': lines(`GET ${API}/k HTTP/1.1`, 'Host:', TENANT),
  'an invalid Host': lines(`GET ${API}/k HTTP/1.1`, 'Host: [::1]:x:y/../\x80', TENANT),
  'a folded header': get('X-User-ID: a\r\n b'),
  'a folded tenant': lines(`GET ${API}/k HTTP/1.1`, 'Host: a', `X-Tenant-ID: ${OWN}\r\n ,${BYSTANDER}`),
  'a tenant on a continuation line': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    `X-Tenant-ID:\r\n ${BYSTANDER}`,
  ),
  'a tenant whose header name ends in a space': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    `X-Tenant-ID : ${BYSTANDER}`,
  ),
  'a tenant whose header name ends in a tab': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    `X-Tenant-ID\t: ${BYSTANDER}`,
  ),
  'a tenant before the first header': lines(`GET ${API}/k HTTP/1.1`, ` X-Tenant-ID: ${BYSTANDER}`, 'Host: a'),
  'a tenant with a null byte': lines(`GET ${API}/k HTTP/1.1`, 'Host: a', `X-Tenant-ID: ${OWN}\0${BYSTANDER}`),
  'a tenant with a carriage return': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    `X-Tenant-ID: ${OWN}\r${BYSTANDER}`,
  ),
  'a tenant with a vertical tab': lines(`GET ${API}/k HTTP/1.1`, 'Host: a', `X-Tenant-ID: \v${BYSTANDER}`),
  'a tenant with a delete character': lines(`GET ${API}/k HTTP/1.1`, 'Host: a', `X-Tenant-ID: ${OWN}\x7f`),
  'a tenant after a line feed alone': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    TENANT,
    `X-User-ID: a\nX-Tenant-ID: ${BYSTANDER}`,
  ),
  'a tenant after a carriage return alone': lines(
    `GET ${API}/k HTTP/1.1`,
    'Host: a',
    TENANT,
    `X-User-ID: a\rX-Tenant-ID: ${BYSTANDER}`,
  ),
  'a header without a name': get(': x'),
  'a header without a colon': get('nonsense'),
  'a header whose name has a space': get('X Y: z'),
  'a header whose name is not ASCII': get('X-\xe9: z'),
  'a header with a null byte in its name': get('X-\0: z'),
  'lines that end in line feeds alone': get().replaceAll('\r\n', '\n'),
  'lines that end in carriage returns alone': get().replaceAll('\r\n', '\r'),
  'empty lines before the request': `\r\n\r\n${get()}`,
  'a request line without a version': lines(`GET ${API}/k`, 'Host: a', TENANT),
  'a request line without a target': lines('GET  HTTP/1.1', 'Host: a', TENANT),
  'a request line with two spaces': lines(`GET  ${API}/k HTTP/1.1`, 'Host: a', TENANT),
  'a request line with a tab': lines(`GET\t${API}/k\tHTTP/1.1`, 'Host: a', TENANT),
  'a request line with more': lines(`GET ${API}/k HTTP/1.1 HTTP/1.1`, 'Host: a', TENANT),
  'a target with a space': lines(`GET ${API}/a b HTTP/1.1`, 'Host: a', TENANT),
  'a target with a null byte': lines(`GET ${API}/a\0b HTTP/1.1`, 'Host: a', TENANT),
  'a target in raw bytes': lines(`GET ${API}/\xe6\x97\xa5 HTTP/1.1`, 'Host: a', TENANT),
  'a target with a fragment': lines(`GET ${API}/k#${BYSTANDER} HTTP/1.1`, 'Host: a', TENANT),
  'a target with two fragments': lines(`GET ${API}/k##k HTTP/1.1`, 'Host: a', TENANT),
  'a relative target': lines('GET api/v1/cache/k HTTP/1.1', 'Host: a', TENANT),
  'an absolute target for another server': lines(
    'GET https://evil.example:99999/ HTTP/1.1',
    'Host: a',
    TENANT,
  ),
  'a target with a broken authority': lines('GET http://[::1/api HTTP/1.1', 'Host: a', TENANT),
  'a very long target': lines(`GET ${API}/${'k'.repeat(100_000)} HTTP/1.1`, 'Host: a', TENANT),
  'a very long method': lines(`${'G'.repeat(100_000)} / HTTP/1.1`, 'Host: a'),
  'a very long header name': get(`${'X'.repeat(100_000)}: y`),
  'a very long header': get(`X: ${'y'.repeat(100_000)}`),
  'very many headers': get(...Array<string>(20_000).fill('A: b')),
  'a method in lower case': lines(`get ${API}/k HTTP/1.1`, 'Host: a', TENANT),
  'an unknown method': lines(`FETCH ${API}/k HTTP/1.1`, 'Host: a', TENANT),
  'a tunnel': lines('CONNECT evil.example:443 HTTP/1.1', 'Host: evil.example:443'),
  'a method of another protocol': lines('DESCRIBE rtsp://a/ RTSP/1.0', 'Host: a'),
  'version 0.9': 'GET /health\r\n',
  'version 1.0': lines(`GET ${API}/k HTTP/1.0`, TENANT),
  'version 1.2': lines(`GET ${API}/k HTTP/1.2`, 'Host: a', TENANT),
  'version 2': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'version 9.9': lines(`GET ${API}/k HTTP/9.9`, 'Host: a', TENANT),
  'a version in words': lines(`GET ${API}/k HTTP/one`, 'Host: a', TENANT),
  'an unknown expectation': post(SET, `Content-Length: ${SET.length}`, 'Expect: miracles'),
  'an upgrade': get('Upgrade: h2c', 'Connection: Upgrade', 'HTTP2-Settings: AAMAAABkAAQAAP__'),
  'a request after an empty body': get('Content-Length: 0') + theirs.replace(BYSTANDER, OWN),
  'two pipelined requests': get() + get(),
  'a request in the body of another': post(theirs, `Content-Length: ${theirs.length}`),
  TLS: '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  Redis: '*1\r\n$8\r\nFLUSHALL\r\n',
  'a PROXY protocol header': `PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n${get()}`,
  nothing: '',
  'line breaks': '\r\n'.repeat(100),
  'null bytes': '\0'.repeat(1000),
};

type Damage = (bytes: string, at: number) => string;

const insert =
  (what: string): Damage =>
  (bytes, at) =>
    bytes.slice(0, at) + what + bytes.slice(at);

const DAMAGES: Damage[] = [
  (bytes, at) => bytes.slice(0, at),
  (bytes, at) => bytes.slice(0, at) + bytes.slice(at + 1),
  (bytes, at) => bytes.slice(0, at) + bytes.slice(at + 9),
  (bytes, at) => bytes.slice(0, at) + String.fromCharCode(bytes.charCodeAt(at) ^ 0x20) + bytes.slice(at + 1),
  (bytes, at) => bytes.slice(0, at) + String.fromCharCode(bytes.charCodeAt(at) | 0x80) + bytes.slice(at + 1),
  (bytes, at) => bytes.slice(0, at) + bytes.slice(at / 2),
  (bytes, at) => bytes + bytes.slice(at),
  ...[
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\0',
    ' ',
    '\t',
    ':',
    '\xff',
    '%',
    '\r\n ',
    '\r\nContent-Length: 3',
    '0\r\n\r\n',
  ].map(insert),
  insert(`\r\nX-Tenant-ID: ${OWN}`),
  insert('\r\nTransfer-Encoding: chunked'),
];

/**
 * Valid requests whose headers do not contain the bystander's name: damage to another header could turn such a header into the
 * tenant header. HEAD is excluded because its response has no body to check.
 */
const request = hostileRequest.filter(
  ({ method, headers }) => method !== 'HEAD' && headers.every(([, value]) => !value.includes(BYSTANDER)),
);

/** Bytes to send in place of a request: known attacks, and requests with random damage. */
export const hostileBytes: fc.Arbitrary<string> = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom(...Object.values(ATTACKS)) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.oneof(
          request.map((sound) => encode(sound).toString('latin1')),
          fc.constantFrom(...Object.values(ATTACKS)),
        ),
        fc.array(fc.tuple(fc.nat(DAMAGES.length - 1), fc.nat(1_000_000)), { minLength: 1, maxLength: 3 }),
      )
      .map(([bytes, damages]) =>
        damages.reduce(
          // Four out of five changes are in the first 300 bytes, where the request line and the headers are.
          (text, [damage, at]) =>
            (DAMAGES[damage] as Damage)(
              text,
              at % (1 + Math.min(text.length, at % 5 === 0 ? text.length : 300)),
            ),
          bytes,
        ),
      ),
  },
);
