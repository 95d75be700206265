import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A file of the docs page. */
export interface DocsFile {
  /** Where it lies on this machine. */
  file: string;
  /** Its Content-Type. */
  type: string;
}

const HTML = 'text/html; charset=utf-8';
const CSS = 'text/css; charset=utf-8';
const SCRIPT = 'text/javascript; charset=utf-8';
const SVG = 'image/svg+xml';

const VIEWER = 'swagger-ui-dist';

/**
 * Everything that the page consists of, by the path that it is served at. Nothing else is: no path of a request ever becomes
 * one of the machine's.
 *
 * @returns undefined where the viewer is not installed
 */
export function findFiles(): ReadonlyMap<string, DocsFile> | undefined {
  const { resolve } = createRequire(import.meta.url);
  const own = (name: string) => fileURLToPath(new URL(`page/${name}`, import.meta.url));
  try {
    return new Map([
      ['/docs', { file: own('index.html'), type: HTML }],
      ['/docs/', { file: own('index.html'), type: HTML }],
      ['/docs/page.css', { file: own('page.css'), type: CSS }],
      ['/docs/page.js', { file: own('page.js'), type: SCRIPT }],
      ['/docs/favicon.svg', { file: own('favicon.svg'), type: SVG }],
      ['/docs/viewer.css', { file: resolve(`${VIEWER}/swagger-ui.css`), type: CSS }],
      ['/docs/viewer.js', { file: resolve(`${VIEWER}/swagger-ui-bundle.js`), type: SCRIPT }],
    ]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}
