import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { build } from '../../infra/build/functions.ts';
import { readSettings } from '../../infra/stack/settings/settings.ts';
import { CacheStack, stackId } from '../../infra/stack/stack.ts';
import { BACKENDS, flags, VARIANTS } from './synthesize.ts';

/**
 * The CDK's own validation of templates, which takes seconds for each. The templates are synthesized like on the command line: with the
 * real bundles and all flags of `cdk.json`.
 */

/** Settings that add resources to the template of every backend, and are synthesized with one. */
const EXTRAS = {
  'a traffic shift': { ...BACKENDS.elasticache, trafficShift: 'Canary10Percent5Minutes' },
  'provisioned concurrency': { ...BACKENDS.memory, getProvisionedConcurrency: '5' },
};

const directory = mkdtempSync(join(tmpdir(), 'cache-validation-'));
let bundles: string;
beforeAll(async () => {
  bundles = (await build(join(directory, 'bundles'))).outdir;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function validate(context: Record<string, unknown>): void {
  const app = new App({
    outdir: mkdtempSync(join(directory, 'out-')),
    context: { ...flags, ...context },
    builtinCloudFormationValidation: true,
  });
  const settings = readSettings(app.node.getAllContext());
  Template.fromStack(new CacheStack(app, stackId(settings), { bundles, settings }));
}

it.each(Object.entries({ ...VARIANTS, ...EXTRAS }))(
  "the stack with %s passes the CDK's validation",
  (_, context) => {
    expect(() => validate(context)).not.toThrow();
  },
);
