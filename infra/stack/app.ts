import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { ConfigError } from '../../lib/config/parse.ts';
import { build } from '../build/functions.ts';
import { readSettings } from './settings/settings.ts';
import type { DeploymentSettings } from './settings/types.ts';
import { CacheStack, stackId } from './stack.ts';

const app = new App();
const settings = settingsOrExit();
// In the output directory, so that a synthesis neither uses nor overwrites another build.
const { outdir } = await build(join(app.outdir, 'bundles'));
new CacheStack(app, stackId(settings), {
  bundles: outdir,
  settings,
  ...environment(process.env),
});

/** Account and region of the CDK's credentials. Without them the template fits any account and region. */
function environment({ CDK_DEFAULT_ACCOUNT: account, CDK_DEFAULT_REGION: region }: NodeJS.ProcessEnv) {
  return account && region ? { env: { account, region } } : {};
}

function settingsOrExit(): DeploymentSettings {
  try {
    return readSettings(app.node.getAllContext());
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    // A mistake in the settings: the message is more useful than a stack trace.
    console.error(error.message);
    process.exit(1);
  }
}
