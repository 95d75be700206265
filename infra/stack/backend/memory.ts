import { Annotations } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import type { CacheEndpoint } from './index.ts';

/** No backend: each sandbox stores entries in its own memory. Only for trying out the API. */
export function memoryEndpoint(scope: Construct): CacheEndpoint {
  Annotations.of(scope).addWarningV2(
    'cache-service:memory',
    'backend=memory: each sandbox of a function has its own entries, so a request may not find what another one has set',
  );
  return { environment: {}, network: undefined, metrics: {}, measurement: undefined, grantTo() {} };
}
