import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { ConfigError } from '../../lib/config/parse.ts';
import { build } from '../build/functions.ts';
import { readSettings } from './settings/settings.ts';
import type { DeploymentSettings } from './settings/types.ts';
import { CacheStack, stackId } from './stack.ts';

const app = new App();
const settings = settingsOrExit();
// Beside the template, so that synthesizing depends on no earlier build and disturbs none.
const { outdir } = await build(join(app.outdir, 'bundles'));
new CacheStack(app, stackId(settings), {
  bundles: outdir,
  settings,
  ...environment(process.env),
});

/**
 * The account and region that the command line has credentials for. Only where both are known are there three zones; without
 * them the template is one for any account and region.
 */
function environment({ CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region }: NodeJS.ProcessEnv) {
  return account && region ? { env: { account, region } } : {};
}

function settingsOrExit(): DeploymentSettings {
  try {
    return readSettings(app.node.getAllContext());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // A fault of whoever gave it, not of ours: its one line says all that a stack trace would hide.
    console.error(error.message);
    process.exit(1);
  }
}
