import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Handler } from '../invoke.ts';
import type { Result } from '../response.ts';
import type { Router } from '../router.ts';

/** The name of the page's handler among the functions. */
const NAME = 'docs';

/** The root of the server redirects to the page. */
const ROOT = '/';
const REDIRECT: Result = { statusCode: 302, headers: { location: '/docs', 'cache-control': 'no-store' } };

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const SVG = 'image/svg+xml';

const VIEWER = 'swagger-ui-dist';

/** The page loads nothing but its own files, responses of the API, and icons that are part of the viewer's style sheet. */
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

/** The docs page of the local server, at `/docs`: a viewer for `/openapi.json` that can send requests. */
export interface Docs {
  name: string;
  handler: Handler;
  /** Wraps a router: routes the root and the page's files to the page, and everything else to `router`. */
  before: (router: Router) => Router;
}

/** @returns undefined if the viewer, a dev dependency, is not installed */
export function findDocs(): Docs | undefined {
  const files = findFiles();
  if (!files) return undefined;
  const serve = createHandler(files);
  return {
    name: NAME,
    handler: (event, context) => (event.rawPath === ROOT ? Promise.resolve(REDIRECT) : serve(event, context)),
    before: (router) => (method, path) => {
      const isPage = (method === 'GET' || method === 'HEAD') && (path === ROOT || files.has(path));
      return isPage ? { name: NAME, routeKey: `GET ${path}` } : router(method, path);
    },
  };
}

interface DocsFile {
  file: string;
  contentType: string;
}

/** The page's files by URL path. Only these are served: the path of a request is never used as a file name. */
function findFiles(): ReadonlyMap<string, DocsFile> | undefined {
  const { resolve } = createRequire(import.meta.url);
  const own = (name: string) => fileURLToPath(new URL(`page/${name}`, import.meta.url));
  try {
    return new Map([
      ['/docs', { file: own('index.html'), contentType: HTML }],
      ['/docs/', { file: own('index.html'), contentType: HTML }],
      ['/docs/page.css', { file: own('page.css'), contentType: CSS }],
      ['/docs/page.js', { file: own('page.js'), contentType: SCRIPT }],
      ['/docs/keys.js', { file: own('keys.js'), contentType: SCRIPT }],
      ['/docs/favicon.svg', { file: own('favicon.svg'), contentType: SVG }],
      ['/docs/viewer.css', { file: resolve(`${VIEWER}/swagger-ui.css`), contentType: CSS }],
      ['/docs/viewer.js', { file: resolve(`${VIEWER}/swagger-ui-bundle.js`), contentType: SCRIPT }],
    ]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** Serves the files, or 304 if the browser already has the current version. */
function createHandler(files: ReadonlyMap<string, DocsFile>): Handler {
  return async ({ rawPath, headers }) => {
    const found = files.get(rawPath);
    if (!found) throw new Error(`The docs page has no ${rawPath}`);
    const body = await readFile(found.file, 'utf8');
    const etag = `"${createHash('sha256').update(body).digest('base64url')}"`;
    const isCurrent = headers['if-none-match']?.includes(etag);
    return {
      statusCode: isCurrent ? 304 : 200,
      headers: {
        'content-type': found.contentType,
        etag,
        // The browser revalidates each file, so that a page never mixes files of two versions.
        'cache-control': 'no-cache',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      },
      body,
    };
  };
}
