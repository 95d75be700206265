import fc from 'fast-check';
import { BYSTANDER, OWN } from './text.ts';

/** An API Gateway event without a static type, since its members may be damaged. */
export type PlainEvent = Record<string, unknown>;

/** The claim that contains the tenant. */
export const CLAIM = 'custom:tenant';

/** Values of the tenant claim, usually the caller's own tenant. API Gateway itself passes only strings. */
export const claim: fc.Arbitrary<unknown> = fc.oneof(
  { weight: 12, arbitrary: fc.constant(OWN) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown[]>(
      undefined,
      null,
      '',
      ' ',
      ` ${OWN}`,
      `${OWN} `,
      '*',
      `${OWN},${BYSTANDER}`,
      `[${OWN} ${BYSTANDER}]`,
      `{cache:${BYSTANDER}:0}`,
      `${OWN}.`,
      OWN.toUpperCase(),
      OWN.padEnd(128, 'x'),
      OWN.padEnd(129, 'x'),
      [OWN],
      { toString: OWN },
      7,
      true,
    ),
  },
);

/** Values whose type usually differs from the replaced one's. */
const unexpectedValue = fc.constantFrom<unknown[]>(
  undefined,
  null,
  0,
  7,
  -1.5,
  true,
  false,
  '',
  'text',
  [],
  ['a'],
  [null],
  {},
  { a: 1 },
  { toString: 1, length: -1 },
  'x'.repeat(100_000),
);

/** Paths in an event. Functions read most of them. */
const PLACES = [
  'headers',
  'headers.x-tenant-id',
  'headers.content-type',
  'headers.x-correlation-id',
  'headers.x-request-id',
  'headers.x-user-id',
  'headers.traceparent',
  'body',
  'isBase64Encoded',
  'rawQueryString',
  'rawPath',
  'routeKey',
  'queryStringParameters',
  'queryStringParameters.key',
  'pathParameters',
  'pathParameters.key',
  'pathParameters.tenant_id',
  'requestContext',
  'requestContext.authorizer',
  'requestContext.authorizer.jwt',
  'requestContext.authorizer.jwt.claims',
  'requestContext.http',
  'requestContext.http.method',
  'requestContext.requestId',
  'cookies',
  'version',
];

/** A replaced value in an event. */
export interface Damage {
  place: string;
  value: unknown;
}

export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.tuple(fc.constantFrom(...PLACES), unexpectedValue).map(([place, value]) => ({ place, value })),
  { minLength: 1, maxLength: 3 },
);

/** Returns a copy of an event with values replaced. A value of undefined removes the member. */
export function damaged(event: PlainEvent, done: readonly Damage[]): PlainEvent {
  const copy = structuredClone(event);
  for (const { place, value } of done) {
    const path = place.split('.');
    const last = path.pop() as string;
    let parent: unknown = copy;
    for (const step of path) parent = isObject(parent) ? parent[step] : undefined;
    if (!isObject(parent)) continue;
    if (value === undefined) delete parent[last];
    else parent[last] = value;
  }
  return copy;
}

/** Payloads that are not events of API Gateway. */
export const NO_EVENTS: unknown[] = [
  {},
  [],
  null,
  'text',
  '',
  7,
  true,
  [{}],
  { headers: [] },
  { Records: [] },
];

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
