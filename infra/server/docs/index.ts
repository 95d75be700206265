import type { Handler } from '../invoke.ts';
import type { Result } from '../response.ts';
import type { Match, Router } from '../router.ts';
import { findFiles } from './files.ts';
import { createHandler } from './serve.ts';

/** What the page is called among the functions. */
const NAME = 'docs';

/** The root of the server, which redirects to the page. */
const ROOT = '/';
const REDIRECT: Result = { statusCode: 302, headers: { location: '/docs', 'cache-control': 'no-store' } };

/** The docs page of the local server: a viewer for `/openapi.json` that tries every endpoint, at `/docs`. */
export interface Docs {
  name: string;
  handler: Handler;
  /** Takes what asks for the root or one of the page's files, and leaves everything else to `router`. */
  before: (router: Router) => Router;
}

/** The page; undefined where its viewer, which only development needs, is not installed. */
export function findDocs(): Docs | undefined {
  const files = findFiles();
  if (!files) return undefined;
  const serve = createHandler(files);
  return {
    name: NAME,
    handler: (event, context) => (event.rawPath === ROOT ? Promise.resolve(REDIRECT) : serve(event, context)),
    before: (router) => {
      const paths = [ROOT, ...files.keys()];
      const matches = new Map(paths.map((path): [string, Match] => [path, matchOf(path)]));
      return (method, path) =>
        ((method === 'GET' || method === 'HEAD') && matches.get(path)) || router(method, path);
    },
  };
}

function matchOf(path: string): Match {
  return { name: NAME, routeKey: `GET ${path}` };
}
