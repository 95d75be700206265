import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { build } from './build.ts';
import { CacheStack } from './stack.ts';

const app = new App();
// Beside the template, so that synthesizing depends on no earlier build and disturbs none.
const { outdir } = await build(join(app.outdir, 'bundles'));
new CacheStack(app, 'CacheService', { bundles: outdir });
