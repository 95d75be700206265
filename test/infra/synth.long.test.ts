import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VARIANTS } from './synthesize.ts';
import { FUNCTIONS } from './template.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The PATH without this project's executables, so that the machine's Node is used. */
const MACHINE_PATH = (process.env.PATH ?? '')
  .split(delimiter)
  .filter((entry) => !entry.includes('node_modules'))
  .join(delimiter);

interface Resource {
  Type: string;
  Metadata?: Record<string, unknown>;
}

/** Runs `cdk synth` as a user does, without credentials, home directory and network. All proxies are closed ports. */
async function synthesizeInto(output: string, context: Record<string, unknown> = {}) {
  const nowhere = 'http://127.0.0.1:9';
  const settings = Object.entries(context).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['--no-install', 'cdk', 'synth', '--quiet', '--output', output, ...settings];
  await promisify(execFile)('npx', args, {
    cwd: ROOT,
    env: { PATH: MACHINE_PATH, HOME: output, HTTP_PROXY: nowhere, HTTPS_PROXY: nowhere },
  });
  const template = await readFile(join(output, 'CacheService.template.json'), 'utf8');
  return JSON.parse(template).Resources as Record<string, Resource>;
}

let directory: string;
let resources: Record<string, Resource>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'cache-synth-'));
  resources = await synthesizeInto(directory);
}, 600_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

describe('cdk synth', () => {
  it("works with the machine's Node on the PATH, without credentials and without a network", () => {
    expect(Object.keys(resources)).toContain('GetFunction');
  });

  // The default is synthesized above.
  it.each(Object.entries(VARIANTS).filter(([name]) => name !== 'elasticache'))(
    'synthesizes the functions of the variant %s',
    async (_, context) => {
      const output = await mkdtemp(join(tmpdir(), 'cache-synth-variant-'));
      try {
        expect(Object.keys(await synthesizeInto(output, context))).toEqual(
          expect.arrayContaining(Object.keys(FUNCTIONS)),
        );
      } finally {
        await rm(output, { recursive: true, force: true });
      }
    },
    600_000,
  );

  it("writes the path of each function's code for tools that run functions locally", () => {
    const functions = Object.keys(FUNCTIONS).map((id) => resources[id]);
    for (const { Metadata } of functions as Resource[]) {
      expect(Metadata).toMatchObject({
        'aws:asset:path': expect.stringMatching(/^asset\./),
        'aws:asset:property': 'Code',
      });
      expect(existsSync(join(directory, String(Metadata?.['aws:asset:path']), 'get.mjs'))).toBe(true);
    }
  });

  it('accepts a traffic shift and provisioned concurrency on the command line', async () => {
    const shifted = await synthesizeInto(join(directory, 'shifted'), {
      trafficShift: 'Canary10Percent5Minutes',
      getProvisionedConcurrency: 5,
    });
    const types = Object.values(shifted).map(({ Type }) => Type);
    expect(types.filter((type) => type === 'AWS::Lambda::Alias')).toHaveLength(Object.keys(FUNCTIONS).length);
    expect(types).toContain('AWS::CodeDeploy::Application');
  }, 600_000);

  it('adds no metadata that reports usage', () => {
    expect(Object.values(resources).map(({ Type }) => Type)).not.toContain('AWS::CDK::Metadata');
  });
});
