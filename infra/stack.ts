import { Stack, type StackProps } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { CacheApi } from './api.ts';
import { functionEnvironment } from './environment.ts';
import { CacheFunctions } from './functions.ts';

export interface CacheStackProps extends StackProps {
  /** The directory that `build` has filled. */
  bundles: string;
}

/** The whole service on AWS: one construct for each concern, put together here. */
export class CacheStack extends Stack {
  constructor(scope: Construct, id: string, { bundles, ...props }: CacheStackProps) {
    super(scope, id, { description: 'A multi-tenant cache behind a REST interface', ...props });

    const functions = new CacheFunctions(this, 'Functions', {
      bundles,
      environment: functionEnvironment((name) => this.node.tryGetContext(name)),
    });
    new CacheApi(this, 'Api', { functions });
  }
}
