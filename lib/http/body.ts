import jsonBodyParser from '@middy/http-json-body-parser';
import type { APIGatewayProxyEventV2 } from 'aws-lambda';
import { PayloadTooLargeError, UnsupportedMediaTypeError, ValidationError } from '../errors.ts';
import { extractRaw } from '../json/extract.ts';
import { isJson } from '../json/validate.ts';
import type { Middleware } from './request.ts';
import { MAX_REST_BYTES } from './schemas.ts';

/** How an endpoint's body is read. */
interface BodyOptions {
  /** The path of the values that are kept as raw text, see `extractRaw`. */
  rawPath?: string;
  /** Limit of the body without the raw values, in bytes. Default: 64 KiB. */
  maxRestBytes?: number;
}

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const CHARSET = /;\s*charset\s*=\s*"?([^\s";]+)/i;
const BYTE_ORDER_MARK = '\ufeff';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Finds the member names that the parser rejects, and escapes, which can hide such a name. */
const REJECTED_NAMES = /__proto__|constructor|\\u/;

/** A body of up to this many characters is never nested too deeply for the parser. */
const SHORT = 1024;

/** A middleware that leaves the parsed body in `request.body` and the raw values in `request.rawValues`. */
export function jsonBody({ rawPath, maxRestBytes = MAX_REST_BYTES }: BodyOptions = {}): Middleware {
  // The content type is checked before the text is read.
  const parser: Middleware = jsonBodyParser({ disableContentTypeCheck: true });
  return {
    before: (middyRequest) => {
      const { event, context } = middyRequest;
      requireJson(event);
      const text = bodyText(event);
      // Each raw value is replaced by a number, so that the parser gets a small text.
      const { skeleton, rawValues } =
        rawPath === undefined ? { skeleton: text, rawValues: [] } : extractRaw(text, rawPath);
      if (Buffer.byteLength(skeleton) > maxRestBytes) {
        if (!isJson(skeleton)) throw explainParseError(skeleton);
        throw new PayloadTooLargeError(rawPath ? 'body without its values' : 'body', maxRestBytes);
      }
      event.body = skeleton;
      event.isBase64Encoded = false;
      context.request.rawValues = rawValues;
      try {
        // The parser calls a function for each member, which takes several times as long as `JSON.parse`. Most bodies do not need it.
        if (skeleton.length <= SHORT && !REJECTED_NAMES.test(skeleton)) event.body = JSON.parse(skeleton);
        else parser.before?.(middyRequest);
      } catch (error) {
        throw explainParseError(skeleton, error);
      }
      context.request.body = event.body;
    },
  };
}

/** @throws UnsupportedMediaTypeError unless the headers describe the body as JSON in UTF-8 without a content coding */
function requireJson({ headers }: APIGatewayProxyEventV2): void {
  const { 'content-type': type = '', 'content-encoding': codings = '' } = headers;
  if (type !== 'application/json') {
    if (!JSON_MEDIA_TYPE.test(type)) throw new UnsupportedMediaTypeError();
    if (!/^utf-?8$/i.test(CHARSET.exec(type)?.[1] ?? 'utf-8')) {
      throw new UnsupportedMediaTypeError('Content-Type', 'application/json; charset=utf-8');
    }
  }
  if (!/^(?:identity)?$/i.test(codings)) throw new UnsupportedMediaTypeError('Content-Encoding', 'identity');
}

/** @returns the body without a byte order mark @throws ValidationError when there is no body, or it is not UTF-8 */
function bodyText({ body, isBase64Encoded }: APIGatewayProxyEventV2): string {
  if (typeof body !== 'string' || body === '') {
    throw new ValidationError([{ field: 'body', message: 'is required' }]);
  }
  try {
    const text = isBase64Encoded ? utf8.decode(Buffer.from(body, 'base64')) : body;
    if (text.isWellFormed()) return text.startsWith(BYTE_ORDER_MARK) ? text.slice(1) : text;
  } catch {
    // Rejected below, as a body that is not well-formed.
  }
  throw new ValidationError([{ field: 'body', message: 'must be UTF-8' }]);
}

/** Besides invalid JSON, the parser rejects deep nesting, since it recurses, and member names of prototype pollution attacks. */
function explainParseError(body: string, cause?: unknown): ValidationError {
  const message = isJson(body)
    ? 'must not be nested thousands of levels deep or have a member __proto__ or constructor.prototype'
    : 'must be valid JSON';
  return new ValidationError([{ field: 'body', message }], { cause });
}
