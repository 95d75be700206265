import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { text } from 'node:stream/consumers';
import { App } from 'aws-cdk-lib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { build, operations } from '../../infra/build/functions.ts';
import { layOut } from '../../infra/build/invoke/json-layout.ts';
import { applyOverrides, parseOverrides } from '../../infra/build/invoke/overrides.ts';
import { findTemplate, readFunction } from '../../infra/build/invoke/template.ts';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { CacheStack, stackId } from '../../infra/stack/stack.ts';
import { firstRows, LONG_RUN } from '../support/long-run.ts';
import { AUTHORIZATIONS, BACKENDS, FAST } from './synthesize.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const workspace = mkdtempSync(join(tmpdir(), 'cache-invoke-'));
afterAll(() => rmSync(workspace, { recursive: true, force: true }));

let bundles: string;
/** An output directory of `cdk synth` for functions with the embedded store. */
let inMemory: string;

/** Synthesizes like the CDK's command line, which includes the paths of assets. Supports several stages in one directory. */
function synthesize(...contexts: Record<string, unknown>[]): string {
  const outdir = mkdtempSync(join(workspace, 'cdk.out-'));
  for (const context of contexts) {
    const app = new App({
      outdir,
      context: { ...FAST, ...context, 'aws:cdk:enable-asset-metadata': true },
      builtinCloudFormationValidation: false,
    });
    const settings = readSettings(context);
    new CacheStack(app, stackId(settings), { bundles, settings });
    app.synth();
  }
  return outdir;
}

beforeAll(async () => {
  bundles = (await build(join(workspace, 'bundles'))).outdir;
  inMemory = synthesize({ ...BACKENDS.memory, SERVICE_NAME: 'from-the-template' });
});

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `npm run invoke -- …` without npm. */
const invoke = (args: string[], env: Record<string, string> = {}): Promise<Run> =>
  run(process.execPath, ['infra/build/invoke.ts', ...args], env);

async function run(command: string, args: string[], env: Record<string, string> = {}): Promise<Run> {
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<number | null>((done) => child.once('close', done));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await ended, stdout, stderr };
}

const sample = (operation: string) => `test/events/${operation}.json`;

function fileWith(content: unknown): string {
  const file = join(mkdtempSync(join(workspace, 'file-')), 'given.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

/** Returns the lines of the function's log. */
const logOf = ({ stderr }: Run): Record<string, unknown>[] =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

describe('npm run invoke', () => {
  it("runs the template's bundle with its variables, and prints the response to stdout and the log to stderr", async () => {
    // Relative to this directory, like `cdk.out`.
    const directory = relative(ROOT, inMemory);
    const run = await invoke(['set', sample('set'), '--output', directory]);
    expect(JSON.parse(run.stdout)).toMatchObject({
      statusCode: 201,
      headers: { 'content-type': 'application/json' },
      body: { success: true, data: { key: 'user:123', status: 'set' } },
    });
    expect(logOf(run)).toContainEqual(
      expect.objectContaining({ service: 'from-the-template', message: 'request', operation: 'set' }),
    );
    expect(run.code).toBe(0);
  });

  it('runs a function that has a version and an alias', async () => {
    const directory = synthesize({ ...BACKENDS.memory, trafficShift: 'Linear10PercentEvery1Minute' });
    const run = await invoke(['health', sample('health'), '--output', directory]);
    expect(JSON.parse(run.stdout).body).toMatchObject({ status: 'healthy' });
  });

  it("removes npm's banner from a file and writes the response only", async () => {
    const file = join(workspace, 'response.json');
    const command = `npm run invoke -- health ${sample('health')} --output "${inMemory}" > "${file}"`;
    const { code, stderr } = await run('sh', ['-c', command]);
    expect(code, stderr).toBe(0);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ statusCode: 200 });
  });

  it('applies overrides from a file to declared variables', async () => {
    const url = { DRAGONFLY_URL: inject('singleUrl') };
    const file = fileWith({ Parameters: url });
    const event = JSON.parse(readFileSync(join(ROOT, sample('set')), 'utf8'));
    const body = '{"key": "user:123", "value": [1.0, 12345678901234567890], "ttl": 60}';
    const given = fileWith({ ...event, body });
    const set = await invoke(['set', given, '--output', inMemory, '--env-vars', file]);
    expect(set.stdout).toContain('"statusCode": 201');
    const get = await invoke(['get', sample('get'), '--output', inMemory, '--env-vars', file]);
    expect(get.stdout).toContain('"found": true');
    // Verbatim: parsing would change both.
    expect(get.stdout).toMatch(/\[\s+1\.0,\s+12345678901234567890\s+\]/);
  });

  it('prefers overrides of one function to those of all, and reports undeclared variables', async () => {
    const file = fileWith({
      Parameters: { SERVICE_NAME: 'all', ANOTHER: 'x' },
      HealthFunction: { SERVICE_NAME: 'health' },
      GetFunction: { SERVICE_NAME: 'get' },
    });
    const run = await invoke(['health', sample('health'), '--output', inMemory, '--env-vars', file]);
    expect(JSON.parse(run.stdout).body).toMatchObject({ service: 'health' });
    expect(run.stderr).toMatch(/does not declare these variables: ANOTHER\n/);
  });

  it('does not pass its own environment to the function', async () => {
    const run = await invoke(['health', sample('health'), '--output', inMemory], {
      SERVICE_NAME: 'from-the-shell',
      DRAGONFLY_URL: 'not a url',
    });
    expect(JSON.parse(run.stdout).body).toMatchObject({ status: 'healthy', service: 'from-the-template' });
  });

  it('prints a response with an error status like any other', async () => {
    const event = JSON.parse(readFileSync(join(ROOT, sample('get')), 'utf8'));
    const run = await invoke(['get', fileWith({ ...event, headers: {} }), '--output', inMemory]);
    expect(JSON.parse(run.stdout)).toMatchObject({ statusCode: 401, body: { success: false } });
    expect(run.code).toBe(0);
  });

  it("fails with the function's message if it does not start", async () => {
    const file = fileWith({ Parameters: { MAX_TTL_SECONDS: 'long' } });
    const run = await invoke(['get', sample('get'), '--output', inMemory, '--env-vars', file]);
    expect(run.stderr).toMatch(/^ConfigError: MAX_TTL_SECONDS /m);
    expect(run).toMatchObject({ code: 1, stdout: '' });
  });

  it('reports variables without a value before the deployment, and how to set them', async () => {
    const run = await invoke(['get', sample('get'), '--output', synthesize(BACKENDS.elasticache)]);
    expect(run.stderr).toMatch(
      /only after a deployment: DRAGONFLY_URL.*--env-vars.*test\/events\/local\.env\.json/,
    );
    expect(run).toMatchObject({ code: 1, stdout: '' });
  });

  it('runs the stack of --stack, and requires --stack if there are several', async () => {
    const directory = synthesize(
      { ...BACKENDS.memory, SERVICE_NAME: 'one' },
      { ...BACKENDS.memory, SERVICE_NAME: 'two', stage: 'test' },
    );
    const args = ['health', sample('health'), '--output', directory];
    const asked = await invoke(args);
    expect(asked.stderr).toMatch(/choose one with --stack: CacheService, CacheService-test/);
    expect(asked.code).toBe(1);
    const named = await invoke([...args, '--stack', 'CacheService-test']);
    expect(JSON.parse(named.stdout).body).toMatchObject({ service: 'two' });
  });

  // Runs the CDK's command, which takes a minute.
  if (LONG_RUN) {
    it('synthesizes if there is no template', async () => {
      const local = { DRAGONFLY_URL: inject('singleUrl'), DRAGONFLY_IAM_CACHE: '' };
      const file = fileWith({ Parameters: local });
      const nothing = join(mkdtempSync(join(workspace, 'nothing-')), 'cdk.out');
      const run = await invoke(['health', sample('health'), '--output', nothing, '--env-vars', file]);
      expect(run.stderr).toMatch(/running cdk synth/);
      expect(JSON.parse(run.stdout).body).toMatchObject({ status: 'healthy', backend: 'dragonfly' });
    }, 120_000);
  }

  it('warns only if the code is newer than the template', async () => {
    const directory = synthesize(BACKENDS.memory);
    const warnsIfSynthesized = async (at: Date) => {
      utimesSync(findTemplate(directory) ?? '', at, at);
      const { stderr } = await invoke(['health', sample('health'), '--output', directory]);
      return stderr.includes('The code has changed since the last synthesis');
    };
    expect(await warnsIfSynthesized(new Date(0))).toBe(true);
    expect(await warnsIfSynthesized(new Date(Date.now() + 3_600_000))).toBe(false);
  });

  const REJECTED: [string, string[], RegExp][] = [
    ['an operation that there is not', ['take', sample('get')], /unknown operation take.*OPERATION/s],
    ['no event', ['get'], /OPERATION and EVENT are required.*--env-vars/s],
    ['an event that is not there', ['get', 'nowhere.json'], /Cannot read nowhere\.json/],
    ['an event that is not JSON', ['get', 'LICENSE'], /LICENSE is not JSON/],
    ['variables that are not', ['get', sample('get'), '--env-vars', sample('get')], /must be like/],
    ['an option that there is not', ['get', sample('get'), '--verbose'], /--verbose.*OPERATION/s],
  ];
  it.each(firstRows(3, REJECTED))('rejects %s with a message', async (_, args, words) => {
    const run = await invoke(args);
    expect(run.stderr).toMatch(words);
    expect(run.stderr).not.toMatch(/^\s+at /m);
    expect(run).toMatchObject({ code: 1, stdout: '' });
  });
});

describe('the sample files for --env-vars', () => {
  const read = (name: string) => {
    const file = join(ROOT, 'test/events', name);
    return parseOverrides(readFileSync(file, 'utf8'), file);
  };

  const variants = Object.entries(BACKENDS).flatMap(([backend, chosen]) =>
    Object.entries(AUTHORIZATIONS).map(([authorization, authorized]) => [
      backend,
      authorization,
      { ...chosen, ...authorized },
    ]),
  ) as [string, string, Record<string, unknown>][];
  /** Each backend once, so that each authorization occurs. */
  const some = variants.filter(([backend, authorization]) =>
    ['elasticache iam', 'dragonfly jwt', 'external none', 'memory iam'].includes(
      `${backend} ${authorization}`,
    ),
  );

  it.each(LONG_RUN ? variants : some)(
    'let every function of a stack with %s and %s start',
    (_backend, _authorization, context) => {
      const directory = synthesize(context);
      const template = findTemplate(directory) ?? '';
      for (const operation of operations) {
        const described = readFunction(directory, template, `${operation}.handler`);
        const { environment, undeclared } = applyOverrides(described, read('local.env.json'));
        expect(undeclared, operation).toEqual([]);
        expect(environment, operation).toMatchObject({
          DRAGONFLY_URL: 'redis://127.0.0.1:6379',
          DRAGONFLY_IAM_CACHE: '',
          DRAGONFLY_SECRET_ARN: '',
          TENANT_CLAIM: '',
        });
      }
    },
  );

  it('are the same for SAM, except for the host name in a container', () => {
    const { Parameters: local } = read('local.env.json');
    const { Parameters: sam } = read('sam.env.json');
    expect(sam).toEqual({ ...local, DRAGONFLY_URL: 'redis://host.docker.internal:6379' });
  });
});

describe('layOut', () => {
  it('puts each member on a line and keeps the text of values', () => {
    expect(layOut('{"a":[1.0,{"b":{}}],"c":"x, [y]: \\"z\\"","d":[]}')).toBe(
      '{\n  "a": [\n    1.0,\n    {\n      "b": {}\n    }\n  ],\n  "c": "x, [y]: \\"z\\"",\n  "d": []\n}',
    );
  });

  it('formats like JSON.stringify what JSON.stringify can write', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(layOut(JSON.stringify(value))).toBe(JSON.stringify(value, null, 2));
      }),
    );
  });
});
