import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Schema } from '../../lib/openapi/json-schema.ts';
import type { RawRequest, RawResponse } from '../http/gateway-raw.ts';
import { complete, operationFor } from './described.ts';

/** Headers that are about the connection, the length of the body and its coding: of HTTP, and of no operation. */
const TRANSPORT = [
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'keep-alive',
  'transfer-encoding',
  'vary',
];

/** What a server in front of the service answers by itself, whatever is asked for; the document tells of it in prose. */
const IN_FRONT = [408, 413, 431];

const ajv = new Ajv2020({ strict: false, validateSchema: false });
formats.default(ajv);
ajv.addSchema(closed(complete) as AnySchemaObject, 'document');

/** Each is compiled when it is first needed, since a file of tests meets few of them. */
const compiled = new Map<string, ValidateFunction>();

/** The validator of the schema at a JSON pointer into the document, by which objects have no members but those described. */
export function validatorAt(pointer: string): ValidateFunction {
  let validate = compiled.get(pointer);
  if (!validate) {
    validate = ajv.compile({ $ref: `document#${encodeURI(pointer)}` });
    compiled.set(pointer, validate);
  }
  return validate;
}

/**
 * Checks an answer against what the document says of the request's operation: its status, its headers and its body.
 *
 * @throws Error that tells what is not as described
 */
export function requireDescribed({ method = 'GET', target }: RawRequest, answer: RawResponse): void {
  const operation = operationFor(method, target);
  if (!operation) return;
  const { status, headers } = answer;
  const described = operation.answers.get(status);
  const what = `${operation.id}, ${status}`;
  if (!described) {
    if (IN_FRONT.includes(status)) return;
    throw new Error(`${what} is not described: ${answer.text.slice(0, 1000)}`);
  }
  checkHeaders(what, Object.keys(described.headers), headers);
  const [type] = Object.keys(described.content ?? {});
  if (type === undefined) {
    if (answer.text !== '' || 'content-type' in headers)
      throw new Error(`${what} is described without a body`);
    return;
  }
  if (method === 'HEAD') return;
  if (headers['content-type'] !== type) throw new Error(`${what} has the type ${headers['content-type']}`);
  const validate = validatorAt(`${described.at}/content/${type.replaceAll('/', '~1')}/schema`);
  if (!validate(answer.json()))
    throw new Error(`${what} is not as described: ${ajv.errorsText(validate.errors)}`);
}

function checkHeaders(what: string, names: string[], headers: RawResponse['headers']): void {
  const lower = names.map((name) => name.toLowerCase());
  const stray = Object.keys(headers).filter((name) => !lower.includes(name) && !TRANSPORT.includes(name));
  if (stray.length > 0) throw new Error(`${what} has headers that are not described: ${stray.join(', ')}`);
  for (const name of names) {
    const value = headers[name.toLowerCase()];
    if (value === undefined) throw new Error(`${what} has no ${name}`);
    const validate = validatorAt(`/components/headers/${name}/schema`);
    // A header is text; the number in one is meant.
    if (!validate(/^\d+$/.test(value) ? Number(value) : value) && !validate(value)) {
      throw new Error(`${what} has a ${name} that is not as described: ${value}`);
    }
  }
}

/**
 * The same schemas, with objects that have no other members than those described: callers have to put up with more. A
 * schema that says what other members are stays as it is.
 */
function closed(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(closed);
  if (typeof given !== 'object' || given === null) return given;
  const members = Object.entries(given).map(([name, member]) => [name, closed(member)]);
  const copy: Schema = Object.fromEntries(members);
  return copy.type === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}
