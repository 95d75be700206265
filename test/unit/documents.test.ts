import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scenarios } from '../faults/scenarios.ts';
import { anchorsIn, markdownFiles, ROOT, read, tableRows } from '../support/markdown.ts';

describe.each(markdownFiles)('%s', (name) => {
  const text = read(name);
  const links = [...text.matchAll(/(?:\]\(|src=")([^)\s"]+)[)"]/g)].map(([, link = '']) => link);
  const local = links.filter((link) => !/^https?:/.test(link));
  const target = (path: string) => join(dirname(name), path);

  test('links only to files and headings that exist', () => {
    for (const link of local) {
      const [path = '', anchor] = link.split('#');
      const file = path ? target(path) : name;
      expect(existsSync(join(ROOT, file)), link).toBe(true);
      if (anchor !== undefined) expect(anchorsIn(read(file)), link).toContain(anchor);
    }
  });

  test('links the name of a function to a file that contains it', () => {
    for (const [, identifier = '', path = ''] of text.matchAll(/\[`(\w+)`\]\(([^)]+\.ts)\)/g)) {
      expect(read(target(path)).includes(identifier), `${identifier} in ${path}`).toBe(true);
    }
  });

  test('mentions only files and scripts that exist', () => {
    // NAME stands for the name of a new endpoint.
    const files = [...text.matchAll(/`((?:docs|functions|infra|lib|test)\/[\w./-]*)`/g)]
      .map(([, path = '']) => path)
      .filter((path) => !path.includes('NAME'));
    for (const path of files) expect(existsSync(join(ROOT, path)), path).toBe(true);
    const { scripts } = JSON.parse(read('package.json'));
    for (const [, script] of text.matchAll(/npm (?:run (?:-s )?)?(start|test|(?<=run (?:-s )?)[a-z]+)/g)) {
      expect(Object.keys(scripts)).toContain(script);
    }
  });
});

test('README.md has at most 250 lines', () => {
  expect(read('README.md').split('\n').length).toBeLessThanOrEqual(250);
});

const foldersIn = (parent: string) =>
  readdirSync(join(ROOT, parent), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

test.each(['lib', 'infra'])('the map in CONTRIBUTING.md has a row for every folder of %s', (parent) => {
  const folders = tableRows(read('CONTRIBUTING.md'), 'folder', 'contents').map(([folder]) => folder);
  for (const name of foldersIn(parent)) expect(folders).toContain(`\`${parent}/${name}/\``);
});

test('test/README.md lists the folders of the tests', () => {
  const rows = tableRows(read('test/README.md'), 'folder', 'proves');
  const listed = rows.flatMap(([folders = '']) => [...folders.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  expect(listed.sort()).toEqual(foldersIn('test').sort());
});

describe('the results of the fault scenarios', () => {
  const rows = `${read('test/faults/README.md')}${read('docs/performance.md')}`.split('\n');

  test.each(scenarios.map(({ name, breaks }) => [name, breaks]))('have a row for %s', (_, breaks) => {
    expect(rows.some((row) => row.startsWith(`| ${breaks} |`))).toBe(true);
  });
});
