import { Annotations } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import type { CacheEndpoint, EndpointMetrics } from './index.ts';

/** No backend: each sandbox stores entries in its own memory. Only for trying out the API. */
export class MemoryEndpoint extends Construct implements CacheEndpoint {
  readonly environment: Record<string, string> = {};
  readonly network = undefined;
  readonly metrics: EndpointMetrics = {};
  readonly needsMeasurement = false;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    Annotations.of(this).addWarningV2(
      'cache-service:memory',
      'backend=memory: each sandbox of a function has its own entries, so a request may not find what another one has set',
    );
  }

  grantTo(): void {
    // No login.
  }
}
