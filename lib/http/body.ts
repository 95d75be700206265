import jsonBodyParser from '@middy/http-json-body-parser';
import { PayloadTooLargeError, UnsupportedMediaTypeError, ValidationError } from '../errors.ts';
import { liftMember } from '../json/extract.ts';
import { isJson } from '../json/validate.ts';
import type { CacheEvent, Middleware } from './event.ts';
import { MAX_REST_BYTES } from './schemas.ts';

/** What an endpoint takes for a body. */
export interface BodyOptions {
  /** The path, see `liftMember`, of what comes as verbatim text. */
  lift?: string;
  /** What the body may be, in bytes of text, beside what is lifted out of it; 64 KiB unless given. */
  maxRestBytes?: number;
}

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** What a function that takes JSON needs and others do not load: in the end, the event's body is plain data. */
export function jsonBody(options: BodyOptions = {}): Middleware[] {
  // Its types know no event whose body is text before it and data afterwards.
  const parsing = jsonBodyParser({ disableContentTypeCheck: true }) as Middleware;
  return [opening(options), parsing, explaining];
}

/** Turns the body into text that the JSON parser can take, without what is lifted out of it. */
function opening({ lift, maxRestBytes = MAX_REST_BYTES }: BodyOptions): Middleware {
  return {
    before: ({ event }) => {
      if (!JSON_MEDIA_TYPE.test(event.headers['content-type'] ?? '')) throw new UnsupportedMediaTypeError();
      const text = bodyText(event);
      const { rest, taken } = lift === undefined ? { rest: text, taken: [] } : liftMember(text, lift);
      if (Buffer.byteLength(rest) > maxRestBytes) {
        if (!isJson(rest)) throw unreadable(rest);
        throw new PayloadTooLargeError(lift ? `body beside its ${lift}` : 'body', maxRestBytes);
      }
      event.body = rest;
      event.isBase64Encoded = false;
      event.lifted = taken;
    },
  };
}

/** @throws ValidationError when there is no body, or it is not UTF-8 */
function bodyText({ body, isBase64Encoded }: CacheEvent): string {
  if (typeof body !== 'string' || body === '') {
    throw new ValidationError([{ field: 'body', message: 'is required' }]);
  }
  try {
    const text = isBase64Encoded ? utf8.decode(Buffer.from(body, 'base64')) : body;
    if (text.isWellFormed()) return text;
  } catch {
    // Falls through to the same answer.
  }
  throw new ValidationError([{ field: 'body', message: 'must be UTF-8' }]);
}

/** The body parser throws errors of its own, which name their package as their cause. */
const explaining: Middleware = {
  onError: (request) => {
    const { error, event } = request;
    const cause = error?.cause as { package?: string } | undefined;
    if (cause?.package === '@middy/http-json-body-parser') request.error = unreadable(event.body, error);
  },
};

/** The parser reads a body level by level, and refuses names by which objects have been attacked. */
function unreadable(body: unknown, cause?: unknown): ValidationError {
  const message = isJson(String(body))
    ? 'must not nest thousands of levels deep, nor name a member __proto__ or constructor.prototype'
    : 'must be valid JSON';
  return new ValidationError([{ field: 'body', message }], { cause });
}
