import { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import { MAX_ZONES } from '../settings/settings.ts';
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
  const createNetwork = () =>
    new CacheNetwork(stack, 'Network', { maxZones: MAX_ZONES[backend.kind], zones });
  switch (backend.kind) {
    case 'elasticache': {
      const network = createNetwork();
      const { stage } = deployment;
      return elastiCacheEndpoint(new Construct(stack, 'Cache'), { network, settings: backend, stage });
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
