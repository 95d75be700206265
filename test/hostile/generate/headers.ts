import fc from 'fast-check';
import { BYSTANDER, OWN } from './text.ts';

export type Header = [name: string, value: string];

const tenant = (...values: string[]): Header[] => values.map((value) => ['X-Tenant-ID', value]);

/** Header values of characters that HTTP allows. */
const headerText = fc.string({
  unit: fc.oneof(
    fc.constantFrom(...' \t,;="\\{}<>%*~!'),
    fc.integer({ min: 0x21, max: 0x7e }).map((c) => String.fromCharCode(c)),
    fc.constantFrom('\x80', '\xa0', '\xe9', '\xff'),
  ),
  maxLength: 140,
});

/** Characters that a tenant's name must not contain. */
const foreignCharacter = fc.constantFrom(
  ...' \t,;:/\\*?[]{}()<>@"\'`|^~!#$%&+=',
  '\xe9',
  '\x80',
  '%2A',
  '\xc3\xa9',
);

const malformedTenant = fc
  .tuple(foreignCharacter, fc.nat(OWN.length))
  .map(([character, at]) => tenant(OWN.slice(0, at) + character + OWN.slice(at)));

/** Valid tenant headers. */
const properTenant = fc.oneof(
  { weight: 12, arbitrary: fc.constant(tenant(OWN)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Header[]>(
      [['x-tenant-id', OWN]],
      [['X-TENANT-ID', OWN]],
      [['x-TeNaNt-Id', ` \t${OWN}\t `]],
    ),
  },
);

/** Names of other tenants that a careless comparison confuses with the caller's or the bystander's. */
const similarTenant = fc.constantFrom<Header[]>(
  tenant(OWN.toUpperCase()),
  tenant(OWN.padEnd(128, 'x')),
  tenant(`${OWN}.`),
  tenant(`${OWN}-`),
  tenant(`${OWN}_${BYSTANDER}`),
  tenant(`${OWN}.${BYSTANDER}`),
);

/** Headers with an invalid tenant, several tenants or none. */
const oddTenant = fc.oneof(
  malformedTenant,
  fc.constantFrom<Header[]>(
    [],
    tenant(''),
    tenant(' \t '),
    tenant(OWN, OWN),
    tenant(OWN, BYSTANDER),
    tenant(BYSTANDER, OWN),
    tenant('', OWN),
    tenant(OWN, ''),
    tenant('', ''),
    tenant(`${OWN},${BYSTANDER}`),
    tenant(`${OWN}, ${OWN}`),
    tenant(`${OWN};${BYSTANDER}`),
    tenant(`${OWN} ${BYSTANDER}`),
    tenant(`"${OWN}"`),
    tenant(`.${OWN}`),
    tenant(`-${OWN}`),
    tenant(`*`),
    tenant(`${OWN}:0}:e:k`),
    tenant(`{cache:${BYSTANDER}:0}`),
    tenant(OWN.padEnd(129, 'x')),
    tenant(OWN.padEnd(5000, 'x')),
    [['X_Tenant_ID', OWN]],
    [['Tenant-ID', OWN]],
    [['X-Tenant', OWN]],
    [['X-Tenant-ID2', OWN]],
    [['X-User-ID', OWN]],
    [['Cookie', `X-Tenant-ID=${OWN}`]],
    [['Authorization', `Bearer ${OWN}`]],
  ),
);

/** Headers to send beside a valid tenant header. Other servers have trusted or misinterpreted some of them. */
const beside = fc.constantFrom<Header[]>(
  [['X_Tenant_ID', BYSTANDER]],
  [['X-Tenant-ID-', BYSTANDER]],
  [['X-Forwarded-Tenant-ID', BYSTANDER]],
  [['X-Original-URL', `/api/v1/cache/tenant/${BYSTANDER}`]],
  [['X-Rewrite-URL', `/api/v1/cache/tenant/${BYSTANDER}`]],
  [['X-HTTP-Method-Override', 'DELETE']],
  [['X-Forwarded-For', '127.0.0.1, ::1']],
  [['X-Forwarded-Host', 'evil.example']],
  [['Host', 'evil.example:99999']],
  [['Forwarded', 'for=127.0.0.1;host=localhost']],
  [['Authorization', 'Bearer eyJhbGciOiJub25lIn0.e30.']],
  [['Cookie', `a=b; __proto__=c; X-Tenant-ID=${BYSTANDER}`]],
  [['Content-Encoding', 'gzip']],
  [['Content-Encoding', 'identity']],
  [
    ['Content-Encoding', 'identity'],
    ['Content-Encoding', 'br'],
  ],
  [['Accept', 'text/html']],
  [['Accept-Encoding', 'gzip, deflate, br']],
  [['Range', 'bytes=0-1']],
  [['If-None-Match', '*']],
  [['Expect', '100-continue']],
  [
    ['Upgrade', 'h2c'],
    ['Connection', 'Upgrade, HTTP2-Settings'],
    ['HTTP2-Settings', 'AAMAAABkAAQAAP__'],
  ],
  [
    ['Upgrade', 'websocket'],
    ['Connection', 'Upgrade'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ],
  [['Connection', 'close']],
  [['Connection', 'X-Tenant-ID']],
  [
    ['TE', 'trailers'],
    ['Trailer', 'X-Tenant-ID'],
  ],
  [
    ['__proto__', 'x'],
    ['constructor', 'y'],
    ['toString', 'z'],
    ['hasOwnProperty', ''],
  ],
  [['Content-MD5', 'Q2hlY2sgSW50ZWdyaXR5IQ==']],
);

const identifier = fc.tuple(
  fc.constantFrom(
    'X-Correlation-ID',
    'X-Request-ID',
    'X-User-ID',
    'x-correlation-id',
    'traceparent',
    'tracestate',
    'User-Agent',
  ),
  fc.oneof(
    headerText,
    fc.integer({ min: 126, max: 130 }).map((length) => 'i'.repeat(length)),
    fc.constantFrom(
      '","admin":true,"x":"',
      '{"level":"ERROR"}',
      '\\u000a{}',
      '$(env)',
      '00-0-0-00',
      '%0d%0aSet-Cookie:a=b',
      '',
    ),
  ),
);

/** One large header or many small ones, around the gateway's limit on the size of all headers. */
const bulk = fc.oneof(
  fc.integer({ min: 8000, max: 11_000 }).map((length): Header[] => [['X-Bulk', 'x'.repeat(length)]]),
  fc.integer({ min: 10, max: 1900 }).map((count) => Array.from({ length: count }, (): Header => ['A', 'b'])),
);

/** All headers of a request except Content-Type and Content-Length. */
export const headers: fc.Arbitrary<Header[]> = fc
  .tuple(
    fc.oneof(
      { weight: 20, arbitrary: properTenant },
      { weight: 1, arbitrary: similarTenant },
      { weight: 2, arbitrary: oddTenant },
    ),
    fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: beside }),
    fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(identifier, { maxLength: 3 }) },
    ),
    fc.oneof({ weight: 60, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: bulk }),
  )
  .map((lists) => lists.flat());

const JSON_TYPES = [
  'application/json',
  'Application/JSON; charset=utf-8',
  'application/vnd.api+json;version=1',
  'application/json ;x',
  'application/json; charset="UTF-8"; charset=utf-16',
];
const OTHER_TYPES = [
  '',
  'text/plain',
  'text/json',
  'application/jsonx',
  'application/json-seq',
  'application/json, application/json',
  'application/x-www-form-urlencoded',
  'multipart/form-data; boundary=application/json',
  '*/*',
  'json',
  'application/+json',
  'application/json\xa0',
  'application/json; charset=utf-16',
  'application/json;charset=latin1;charset=utf-8',
  'application/json; charset=',
  '\x80application/json',
];

/** The Content-Type of a request with a body: usually JSON, sometimes another type, two headers or none. */
export const contentType: fc.Arbitrary<Header[]> = fc
  .oneof(
    { weight: 12, arbitrary: fc.constant(['application/json']) },
    { weight: 2, arbitrary: fc.constantFrom(...JSON_TYPES).map((type) => [type]) },
    { weight: 1, arbitrary: fc.constantFrom(...OTHER_TYPES).map((type) => [type]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom<string[]>(
        [],
        ['application/json', 'application/json'],
        ['text/plain', 'application/json'],
      ),
    },
  )
  .map((types) => types.map((type): Header => ['Content-Type', type]));
