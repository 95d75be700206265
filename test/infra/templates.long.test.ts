import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { build } from '../../infra/build/functions.ts';
import { BACKENDS, construct, synthesize, VARIANTS } from './synthesize.ts';

/**
 * The templates that users get: with the real bundles, without the context in `FAST`, and validated by the CDK, which takes seconds for each.
 */

/** Settings that add resources to the template of every backend, and are synthesized with one. */
const EXTRAS = {
  'a traffic shift': { ...BACKENDS.elasticache, trafficShift: 'Canary10Percent5Minutes' },
  'provisioned concurrency': { ...BACKENDS.memory, getProvisionedConcurrency: '5' },
};

const directory = mkdtempSync(join(tmpdir(), 'cache-templates-'));
let bundles: string;
beforeAll(async () => {
  bundles = (await build(join(directory, 'bundles'))).outdir;
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Replaces the hashes of assets. The name of a Lambda version ends with such a hash. */
const withoutHashes = (template: Template) =>
  JSON.parse(
    JSON.stringify(template.toJSON())
      .replaceAll(/\b[0-9a-f]{64}\b/g, 'hash')
      .replaceAll(/(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}/g, '$1hash'),
  );

it.each(Object.entries({ ...VARIANTS, ...EXTRAS }))(
  "the template with %s passes the CDK's validation, and is the one that other tests check",
  (_, context) => {
    const { stack } = construct(context, {}, { bundles, cdk: {}, validates: true });
    expect(withoutHashes(Template.fromStack(stack))).toEqual(withoutHashes(synthesize(context).template));
  },
);
