import type { Handler } from '../invoke.ts';
import type { Match, Router } from '../router.ts';
import { findFiles } from './files.ts';
import { createHandler } from './serve.ts';

/** What the page is called among the functions. */
const NAME = 'docs';

/** The docs page of the local server: a viewer for `/openapi.json` that tries every endpoint, at `/docs`. */
export interface Docs {
  name: string;
  handler: Handler;
  /** Takes what asks for one of the page's files, and leaves everything else to `router`. */
  before: (router: Router) => Router;
}

/** The page; undefined where its viewer, which only development needs, is not installed. */
export function findDocs(): Docs | undefined {
  const files = findFiles();
  if (!files) return undefined;
  return {
    name: NAME,
    handler: createHandler(files),
    before: (router) => {
      const matches = new Map([...files.keys()].map((path): [string, Match] => [path, matchOf(path)]));
      // The first test is all that a request of the API pays for the page.
      return (method, path) =>
        (path.startsWith('/docs') && (method === 'GET' || method === 'HEAD') && matches.get(path)) ||
        router(method, path);
    },
  };
}

function matchOf(path: string): Match {
  return { name: NAME, routeKey: `GET ${path}` };
}
