import { Ajv2020, type AnySchemaObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { responseHeaders } from '../../lib/openapi/components.ts';
import type { Schema } from '../../lib/openapi/json-schema.ts';
import type { RawRequest, RawResponse } from '../http/gateway-raw.ts';
import { complete, operationFor } from './described.ts';

/** Headers of HTTP itself, about the connection and the body. The document does not describe them. */
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

/** Statuses that the HTTP server sends for any request before a route is chosen. The document describes them in its text. */
const IN_FRONT = [408, 413, 431];

const ajv = new Ajv2020({ strict: false, validateSchema: false });
formats.default(ajv);
ajv.addSchema(forbidUnknownMembers(complete) as AnySchemaObject, 'document');

/** Validators by JSON pointer. A validator is compiled when it is first used, because a test file needs few of them. */
const compiled = new Map<string, ValidateFunction>();

/** The validator of the schema at a JSON pointer into the document. It rejects members that are not described. */
export function validatorAt(pointer: string): ValidateFunction {
  let validate = compiled.get(pointer);
  if (!validate) {
    validate = ajv.compile({ $ref: `document#${encodeURI(pointer)}` });
    compiled.set(pointer, validate);
  }
  return validate;
}

/**
 * Checks the status, the headers and the body of a response against the document.
 *
 * @throws Error with the first difference
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
    if (value === undefined) {
      if (responseHeaders[name as keyof typeof responseHeaders].required)
        throw new Error(`${what} has no ${name}`);
      continue;
    }
    const validate = validatorAt(`/components/headers/${name}/schema`);
    // The schema of a numeric header describes the number, and the header is text.
    if (!validate(/^\d+$/.test(value) ? Number(value) : value) && !validate(value)) {
      throw new Error(`${what} has a ${name} that is not as described: ${value}`);
    }
  }
}

/**
 * Adds `additionalProperties: false` to every object schema that does not set it. The document allows further members,
 * because callers must ignore unknown ones.
 */
function forbidUnknownMembers(given: unknown): unknown {
  if (Array.isArray(given)) return given.map(forbidUnknownMembers);
  if (typeof given !== 'object' || given === null) return given;
  const members = Object.entries(given).map(([name, member]) => [name, forbidUnknownMembers(member)]);
  const copy: Schema = Object.fromEntries(members);
  return copy.type === 'object' && 'properties' in copy ? { additionalProperties: false, ...copy } : copy;
}
