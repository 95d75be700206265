import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scenarios } from '../faults/scenarios.ts';

const ROOT = dirname(dirname(import.meta.dirname));

const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

function anchorsIn(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

describe.each(['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md'])('%s', (name) => {
  const text = read(name);
  const links = [...text.matchAll(/(?:\]\(|src=")([^)\s"]+)[)"]/g)].map(([, link = '']) => link);

  test('links to nothing that is not there', () => {
    const local = links.filter((link) => !/^https?:/.test(link));
    for (const link of local) {
      const [path = '', anchor] = link.split('#');
      expect(existsSync(join(ROOT, path || name)), link).toBe(true);
      if (anchor !== undefined) expect(anchorsIn(path ? read(path) : text), link).toContain(anchor);
    }
  });

  test('names no script that is not there', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = [...text.matchAll(/npm (?:run )?(start|test|(?<=run )[a-z]+)/g)].map(
      ([, script]) => script,
    );
    for (const script of named) expect(Object.keys(scripts)).toContain(script);
  });
});

describe("CONTRIBUTING's map", () => {
  const map = read('CONTRIBUTING.md');

  test.each(['lib', 'infra', 'test'])('has every folder of %s', (parent) => {
    const folders = readdirSync(join(ROOT, parent), { withFileTypes: true }).filter((entry) =>
      entry.isDirectory(),
    );
    // Of this parent alone: most of their names stand below the others as well.
    const [part = ''] = new RegExp(`^${parent}/[^]*?\\n(?=\\S)`, 'm').exec(map) ?? [];
    for (const { name } of folders) expect(part).toContain(`${name}/`);
  });
});

describe("the README's table of faults", () => {
  const rows = read('README.md').split('\n');

  test.each(scenarios.map(({ name, breaks }) => [name, breaks]))('has %s', (_, breaks) => {
    expect(rows.some((row) => row.startsWith(`| ${breaks} |`))).toBe(true);
  });
});
