import fc from 'fast-check';
import type { HostileRequest } from '../oracle/request.ts';
import { bodyFor } from './bodies.ts';
import { contentType, headers } from './headers.ts';
import { keyTarget, listTarget, strayTarget, tenantTarget } from './targets.ts';

const API = '/api/v1/cache';

/** Methods that HTTP parsers know, except CONNECT, which requests a tunnel instead of a response. */
const METHODS = [
  'GET',
  'POST',
  'DELETE',
  'PUT',
  'PATCH',
  'HEAD',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'QUERY',
  'PURGE',
];

const chunk = fc.oneof(
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constantFrom(1000, 4096, 60_000) },
);

type Draft = Pick<HostileRequest, 'method' | 'target' | 'body'>;

const posted = (path: string): fc.Arbitrary<Draft> =>
  bodyFor(path).map((body) => ({ method: 'POST', target: `${API}${path}`, body }));

/** A request without a body, sometimes with one, which the endpoint must ignore. */
const bodied = (method: string, target: fc.Arbitrary<string>): fc.Arbitrary<Draft> =>
  fc
    .tuple(
      target,
      fc.oneof({ weight: 15, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: bodyFor('') }),
    )
    .map(([where, body]) => ({ method, target: where, ...(body !== undefined && { body }) }));

const draft: fc.Arbitrary<Draft> = fc.oneof(
  { weight: 12, arbitrary: posted('') },
  { weight: 2, arbitrary: posted('/touch') },
  { weight: 5, arbitrary: posted('/lease') },
  { weight: 2, arbitrary: posted('/lease/release') },
  { weight: 6, arbitrary: posted('/invalidate') },
  { weight: 2, arbitrary: posted('/batch/get') },
  { weight: 2, arbitrary: posted('/batch/set') },
  { weight: 2, arbitrary: posted('/batch/delete') },
  { weight: 10, arbitrary: bodied('GET', keyTarget) },
  { weight: 5, arbitrary: bodied('DELETE', keyTarget) },
  { weight: 1, arbitrary: bodied('DELETE', tenantTarget) },
  { weight: 1, arbitrary: bodied('GET', tenantTarget) },
  { weight: 5, arbitrary: bodied('GET', listTarget) },
  { weight: 2, arbitrary: bodied('GET', strayTarget) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(
        fc.constantFrom(...METHODS),
        fc.oneof(strayTarget, keyTarget, tenantTarget, listTarget),
        bodyFor(''),
      )
      .map(([method, target, body]) => ({ method, target, ...(method.startsWith('P') && { body }) })),
  },
);

/** Well-formed HTTP requests. About half of them are valid for the API. */
export const hostileRequest: fc.Arbitrary<HostileRequest> = fc
  .tuple(draft, headers, contentType, chunk)
  .map(([what, given, type, size]) => {
    const whole = { ...what, headers: what.body === undefined ? given : [...given, ...type] };
    return what.body === undefined || size === undefined ? whole : { ...whole, chunk: size };
  });
