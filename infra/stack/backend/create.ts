import { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import type { DeploymentSettings } from '../settings/types.ts';
import { dragonflyEndpoint } from './dragonfly.ts';
import { elastiCacheEndpoint } from './elasticache.ts';
import { externalEndpoint } from './external.ts';
import type { CacheEndpoint } from './index.ts';
import { memoryEndpoint } from './memory.ts';

/** Creates the chosen backend, and its network if it needs one. */
export function createEndpoint(
  stack: Construct,
  {
    backend,
    availabilityZones: zones,
    ...deployment
  }: Pick<DeploymentSettings, 'availabilityZones' | 'backend' | 'logRetentionDays' | 'service' | 'stage'>,
): CacheEndpoint {
  const createNetwork = () => new CacheNetwork(stack, 'Network', { zones });
  switch (backend.kind) {
    case 'elasticache': {
      const network = createNetwork();
      return elastiCacheEndpoint(new Construct(stack, 'Cache'), {
        network,
        zones,
        settings: backend,
        deployment,
      });
    }
    case 'dragonfly': {
      const network = createNetwork();
      return dragonflyEndpoint(new Construct(stack, 'Cache'), { ...deployment, network, settings: backend });
    }
    case 'external':
      return externalEndpoint(new Construct(stack, 'Cache'), backend, deployment);
    case 'memory':
      return memoryEndpoint(new Construct(stack, 'Cache'));
  }
}
