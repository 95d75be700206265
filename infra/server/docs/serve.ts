import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Handler } from '../invoke.ts';
import type { DocsFile } from './files.ts';

/** The page needs nothing but its own files, the API beside it, and the icons that lie in the viewer's style sheet. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Makes what answers with a file of the page, or with 304 where the browser has it already. */
export function createHandler(files: ReadonlyMap<string, DocsFile>): Handler {
  return async ({ rawPath, headers }) => {
    const found = files.get(rawPath);
    if (!found) throw new Error(`The docs page has no ${rawPath}`);
    // Read anew each time: it is a page for people, and the system has the file in memory.
    const body = await readFile(found.file, 'utf8');
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    const known = headers['if-none-match']?.includes(etag);
    return {
      statusCode: known ? 304 : 200,
      headers: {
        'content-type': found.type,
        etag,
        // Kept, but asked for again, so that no page consists of files of two versions.
        'cache-control': 'no-cache',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      },
      body,
    };
  };
}
