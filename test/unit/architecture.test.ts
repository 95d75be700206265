import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';

/**
 * Imports run down one way. A floor may import from the floors above it in this list, which are lower in the building, and
 * files of one folder from each other, as long as they form no cycle.
 */
const FLOORS = [
  ['lib/config', 'lib/errors.ts', 'lib/json', 'lib/routes.ts', 'lib/time.ts'],
  ['lib/request-context.ts'],
  ['lib/tracing-channels.ts', 'lib/aws', 'lib/log'],
  ['lib/store'],
  ['lib/events', 'lib/limits', 'lib/observability'],
  ['lib/http'],
  ['lib/openapi'],
  ['lib/service.ts'],
  ['functions'],
  ['infra/build', 'infra/cors.ts'],
  ['infra/stack', 'infra/server'],
];

const ROOT = join(import.meta.dirname, '../..');

/** Every source file with the files that it imports, statically or on demand; types too. */
const imports = new Map(
  ['functions', 'infra', 'lib']
    .flatMap((folder) =>
      readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        join(folder, name),
      ),
    )
    .filter((name) => name.endsWith('.ts'))
    .map((file) => [file, importsOf(file)]),
);

function importsOf(file: string): string[] {
  const source = readFileSync(join(ROOT, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const specifiers = [...source.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, specifier]) => specifier ?? '',
  );
  return specifiers.map((specifier) => relative(ROOT, join(ROOT, dirname(file), specifier)));
}

/** The index of a file's floor, and the folder or file that stands in the list. */
function placeOf(file: string): { floor: number; unit: string } {
  for (const [floor, units] of FLOORS.entries()) {
    const unit = units.find((each) => file === each || file.startsWith(`${each}/`));
    if (unit) return { floor, unit };
  }
  // Such as a file of the tests, on which nothing may depend.
  return { floor: FLOORS.length, unit: file };
}

describe('the imports of lib, functions and infra', () => {
  test('lead to lower floors only', () => {
    const upward = [...imports].flatMap(([file, targets]) =>
      file.startsWith('lib/client/')
        ? []
        : targets
            .filter((target) => target.endsWith('.ts'))
            .filter((target) => {
              const [from, to] = [placeOf(file), placeOf(target)];
              return from.unit !== to.unit && from.floor <= to.floor;
            })
            .map((target) => `${file} -> ${target}`),
    );
    expect(upward).toEqual([]);
  });

  test('of the client lead to the client only', () => {
    const outside = [...imports]
      .filter(([file]) => file.startsWith('lib/client/'))
      .flatMap(([file, targets]) =>
        targets.filter((target) => !target.startsWith('lib/client/')).map((to) => `${file} -> ${to}`),
      );
    expect(outside).toEqual([]);
  });

  test('form no cycle', () => {
    const done = new Set<string>();
    const visit = (file: string, path: string[]): void => {
      if (path.includes(file)) throw new Error([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file)) return;
      for (const target of imports.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    };
    for (const file of imports.keys()) visit(file, []);
    expect(done.size).toBeGreaterThan(100);
  });
});
