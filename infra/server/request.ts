import { unescape as decodeLeniently } from 'node:querystring';

/** A request's headers as API Gateway hands them to a function. */
export interface Head {
  /** Names in lower case; a header that came more than once is one, joined by commas. Without cookies. */
  headers: Record<string, string>;
  /** One `name=value` each; absent where none came. */
  cookies?: string[];
  /** What the headers took on the wire, in bytes, each written as `name: value` and a line break. */
  bytes: number;
}

/** A request target, taken apart. */
export interface Target {
  /** Percent-decoded, once. */
  path: string;
  /** What stood after the first `?`, still encoded; empty where there was none. */
  rawQuery: string;
}

/** An object without inherited names, so that a header called `constructor` is a header like any other. */
function emptyRecord(): Record<string, string> {
  return Object.create(null);
}

/**
 * Reads headers from Node's `rawHeaders`. Its `headers` will not do: they keep only the first of some duplicates and join
 * others with a space that API Gateway does not write.
 */
export function readHead(rawHeaders: readonly string[]): Head {
  const head: Head = { headers: emptyRecord(), bytes: 0 };
  const { headers } = head;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    const value = rawHeaders[i + 1] as string;
    head.bytes += name.length + value.length + ': \r\n'.length;
    if (name === 'cookie') {
      head.cookies ??= [];
      for (const cookie of value.split(';')) if (cookie.trim()) head.cookies.push(cookie.trim());
      continue;
    }
    const earlier = headers[name];
    headers[name] = earlier === undefined ? value : `${earlier},${value}`;
  }
  return head;
}

/**
 * Takes a request target apart as API Gateway does: the path is decoded before anything else looks at it, so `%2F` separates
 * segments like `/` does, and what follows an encoded `?` is lost.
 *
 * @returns undefined when the path is not percent-encoded UTF-8
 */
export function readTarget(target: string): Target | undefined {
  const start = target.startsWith('/') ? 0 : pathStart(target);
  const mark = target.indexOf('?', start);
  const rawPath = target.slice(start, mark < 0 ? undefined : mark);
  const path = decodePath(rawPath);
  return path === undefined
    ? undefined
    : { path: path || '/', rawQuery: mark < 0 ? '' : target.slice(mark + 1) };
}

/**
 * The query's parameters: decoded, a plus as a space, those of one name joined by commas.
 *
 * What is not percent-encoded UTF-8 stays as readable as it can: the raw query says what was really sent.
 *
 * @returns undefined when there is none
 */
export function readQuery(rawQuery: string): Record<string, string> | undefined {
  if (rawQuery === '') return undefined;
  const parameters = emptyRecord();
  let any = false;
  for (const pair of rawQuery.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeQueryPart(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decodeQueryPart(pair.slice(equals + 1));
    const earlier = parameters[name];
    parameters[name] = earlier === undefined ? value : `${earlier},${value}`;
    any = true;
  }
  return any ? parameters : undefined;
}

function decodeQueryPart(text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text;
  return spaced.includes('%') ? decodeLeniently(spaced) : spaced;
}

function decodePath(rawPath: string): string | undefined {
  if (!rawPath.includes('%')) return rawPath;
  try {
    const path = decodeURIComponent(rawPath);
    const mark = path.indexOf('?');
    return mark < 0 ? path : path.slice(0, mark);
  } catch {
    return undefined;
  }
}

/** Where the path begins in a target of absolute form, `http://host/path`; 0 in any other (`*`). */
function pathStart(target: string): number {
  const authority = /^[a-z][a-z0-9+.-]*:\/\/[^/?]*/i.exec(target);
  return authority ? authority[0].length : 0;
}
