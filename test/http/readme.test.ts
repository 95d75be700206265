import { parseArgs } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { readConfig } from '../../lib/config/config.ts';
import { failures } from '../../lib/openapi/failures.ts';
import { routes } from '../../lib/routes.ts';
import { read, tableRows } from '../support/markdown.ts';
import { API } from './client.ts';
import { type Service, startService } from './service.ts';

const readme = read('README.md');

/** Each `$ curl …` line of the session, and the line below it. */
const session = [...readme.matchAll(/^\$ curl (.*)\n((?:[^$\n`].*\n)?)/gm)].map(
  ([, line = '', answer = '']) => ({
    line,
    answer: answer.trim(),
  }),
);

/** The arguments of a shell command whose only special characters are single quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** Implements the curl options that the session uses, so that the test needs no curl. */
async function curl(line: string, port: number): Promise<string> {
  const { values, positionals } = parseArgs({
    args: words(line),
    allowPositionals: true,
    options: {
      request: { type: 'string', short: 'X' },
      header: { type: 'string', short: 'H', multiple: true },
      data: { type: 'string', short: 'd' },
    },
  });
  const [url = '', ...more] = positionals;
  expect(more).toEqual([]);
  const headers = (values.header ?? []).map((header) => header.split(': ') as [string, string]);
  const response = await fetch(url.replace('localhost:8080', `127.0.0.1:${port}`), {
    method: values.request ?? 'GET',
    headers,
    ...(values.data !== undefined && { body: values.data }),
  });
  return response.text();
}

/** Replaces what differs between runs, as the README does. */
function shortened(answer: string): string {
  return answer.replace(/("(?:correlation_id|request_id|timestamp)":)"[^"]+"/g, '$1"…"');
}

describe("the README's session", () => {
  let service: Service;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test('returns what the README shows for each request', async () => {
    expect(session.length).toBeGreaterThanOrEqual(9);
    for (const { line, answer } of session) {
      expect(shortened(await curl(line, service.port)), line).toBe(answer);
    }
  });
});

function problemWith(context: Record<string, unknown>): string {
  try {
    readSettings(context);
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

/** Names and defaults of the settings in a table of environment variables; undefined for one without a default. */
function settingsIn(text: string): Record<string, string | undefined> {
  const rows = tableRows(text, 'setting', 'default', 'meaning');
  return Object.fromEntries(
    rows.map(([name = '', value = '']) => [name.replaceAll('`', ''), /^`([^`]+)`/.exec(value)?.[1]]),
  );
}

describe('the documentation', () => {
  const configuration = settingsIn(read('docs/configuration.md'));

  test('lists every setting of the service in docs/configuration.md, with its default', () => {
    const names = new Set<string>();
    const defaults = readConfig(new Proxy({}, { get: (_, name) => void names.add(String(name)) }));
    names.delete('AWS_LAMBDA_FUNCTION_NAME');
    expect(Object.keys(configuration).sort()).toEqual([...names].sort());
    expect(readConfig(configuration)).toEqual(defaults);
  });

  test('gives the same defaults in the README and in docs/configuration.md', () => {
    const settings = settingsIn(readme);
    expect(Object.keys(settings)).toHaveLength(8);
    expect(configuration).toMatchObject(settings);
  });

  test('lists every endpoint in the README', () => {
    const requests = tableRows(readme, 'request', 'response').map(([request = '']) => request);
    for (const { method, paths } of routes) {
      for (const path of paths) {
        const known = path === API && method !== 'POST' ? `${path}?key=…` : path;
        expect(
          requests.some((request) => request.includes(`\`${method} ${known}\``)),
          known,
        ).toBe(true);
      }
    }
  });

  test('lists every error in the README, with its status and code', () => {
    const errors = Object.values(failures(readConfig({}))).map(({ sample: { status, code } }) => [
      `${status}`,
      `\`${code}\``,
    ]);
    const rows = tableRows(readme, 'status', 'code', 'when').map(([status, code]) => [status, code]);
    expect(rows.sort()).toEqual(errors.sort());
  });

  test('lists every setting of a deployment in docs/deploy.md', () => {
    // The rejection of an unknown setting names the known ones.
    const [, names = ''] = /The settings are (.*)/.exec(problemWith({ noSuchSetting: '1' })) ?? [];
    const listed = tableRows(read('docs/deploy.md'), 'setting', 'default', 'meaning').map((row) =>
      row.join(),
    );
    expect(names.split(', ').length).toBeGreaterThan(20);
    for (const name of names.split(', ')) expect(listed.join('\n')).toContain(`\`${name}\``);
  });
});
