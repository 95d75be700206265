import fc from 'fast-check';
import { BYSTANDER, OWN } from './text.ts';

/** An API Gateway event as plain data, of which nothing is taken for granted. */
export type PlainEvent = Record<string, unknown>;

/** The claim that names the tenant, where callers bring a token. */
export const CLAIM = 'custom:tenant';

/** What a token may say of its tenant; mostly it is the caller's own. API Gateway hands strings on, other values never. */
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

/** Values of another type than the one that stands there. */
const odd = fc.constantFrom<unknown[]>(
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

/** Paths to what functions read of an event, and some of what they do not. */
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

/** Something done to an event that API Gateway would never do. */
export interface Damage {
  place: string;
  value: unknown;
}

export const damages: fc.Arbitrary<Damage[]> = fc.array(
  fc.tuple(fc.constantFrom(...PLACES), odd).map(([place, value]) => ({ place, value })),
  { minLength: 1, maxLength: 3 },
);

/** The event with something else in these places; undefined stands for nothing there at all. */
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

/** What a function is invoked with when it is no event at all. */
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
