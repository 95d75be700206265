import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { CacheStack } from '../../infra/stack/stack.ts';
import { readConfig } from '../../lib/config/config.ts';
import { routes } from '../../lib/routes.ts';
import { API } from './client.ts';
import { type Service, startService } from './service.ts';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');

/** The session: each `$ curl …` and what stands below it. */
const session = [...readme.matchAll(/^\$ curl (.*)\n((?:[^$\n`].*\n)?)/gm)].map(
  ([, line = '', answer = '']) => ({
    line,
    answer: answer.trim(),
  }),
);

/** The words of a shell's line in which nothing but single quotes is special. */
function words(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** Does what curl does with the few options that the session uses, so that the test needs no curl. */
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

/** As the README writes what is different every time. */
function shortened(answer: string): string {
  return answer.replace(/("(?:correlation_id|request_id|timestamp)":)"[^"]+"/g, '$1"…"');
}

describe("the README's session", () => {
  let service: Service;

  beforeAll(async () => {
    service = await startService();
  });
  afterAll(() => service.stop());

  test('goes as it says', async () => {
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

describe('the README', () => {
  test('lists every setting, with the default that it has', () => {
    const read = new Set<string>();
    const defaults = readConfig(new Proxy({}, { get: (_, name) => void read.add(String(name)) }));
    const rows = [...readme.matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]+)`|none)/gm)];
    const documented = Object.fromEntries(rows.map(([, name, value]) => [name, value]));
    read.delete('AWS_LAMBDA_FUNCTION_NAME');
    expect(Object.keys(documented).sort()).toEqual([...read].sort());
    expect(readConfig(documented)).toEqual(defaults);
  });

  test('lists every endpoint', () => {
    for (const { method, paths } of routes) {
      for (const path of paths) {
        const known = path === API && method !== 'POST' ? `${path}?key=…` : path;
        // Not `toContain`, which would print all of it.
        const row = `\`${method} ${known}\``;
        expect(readme.includes(row), row).toBe(true);
      }
    }
  });

  test('lists every setting of a deployment', () => {
    // The settings themselves are told by what is said of one that there is not.
    const [, names = ''] = /these are: (.*)/.exec(problemWith({ noSuchSetting: '1' })) ?? [];
    expect(names.split(', ').length).toBeGreaterThan(20);
    for (const name of names.split(', ')) expect(readme).toContain(`\`${name}\``);
  });

  test('has a section in its runbook for every alarm', () => {
    const app = new App();
    const stack = new CacheStack(app, 'CacheService', {
      bundles: import.meta.dirname,
      settings: readSettings({}),
    });
    const alarms = Object.values(Template.fromStack(stack).findResources('AWS::CloudWatch::Alarm'));
    expect(alarms.length).toBeGreaterThan(5);
    for (const { Properties } of alarms) {
      const [, title] = /«Runbook», «(.*)»/.exec(Properties.AlarmDescription) ?? [];
      expect(readme).toContain(`\n### ${title}\n`);
    }
  });
});
