import { Annotations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { CacheEndpoint, EndpointMetrics } from './index.ts';

/** No cache but each sandbox's own memory: to look around, where it may forget what another sandbox was told. */
export class MemoryEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string> = {};
  readonly network = undefined;
  readonly metrics: EndpointMetrics = {};
  readonly measured = false;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    Annotations.of(this).addWarningV2(
      'cache-service:memory',
      'backend=memory: each sandbox of a function has a cache of its own, so what one request sets the next may not find',
    );
  }

  grantTo(): void {
    // There is nothing to log in to.
  }
}
