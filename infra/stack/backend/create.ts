import { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import type { DeploymentSettings } from '../settings/types.ts';
import { dragonflyEndpoint } from './dragonfly.ts';
import { elastiCacheEndpoint } from './elasticache.ts';
import { elastiCacheNodesEndpoint } from './elasticache-nodes.ts';
import { externalEndpoint } from './external.ts';
import type { CacheEndpoint } from './index.ts';
import { memoryEndpoint } from './memory.ts';

/** Creates the chosen backend, and its network if it needs one and has none. */
export function createEndpoint(
  stack: Construct,
  {
    backend,
    availabilityZones: zones,
    network: existing,
    ...deployment
  }: Pick<
    DeploymentSettings,
    'availabilityZones' | 'backend' | 'logRetentionDays' | 'network' | 'service' | 'stage'
  >,
): CacheEndpoint {
  const limits = deployment.service.TENANT_LIMITS ?? '';
  const createNetwork = () => {
    const network = new CacheNetwork(stack, 'Network', { zones, existing });
    if (!existing && limits.startsWith('arn:')) network.allowParameter(limits);
    return network;
  };
  switch (backend.kind) {
    case 'elasticache': {
      const network = createNetwork();
      return elastiCacheEndpoint(new Construct(stack, 'Cache'), { network, settings: backend, deployment });
    }
    case 'elasticache-nodes': {
      const network = createNetwork();
      return elastiCacheNodesEndpoint(new Construct(stack, 'Cache'), {
        network,
        settings: backend,
        deployment,
      });
    }
    case 'dragonfly': {
      const network = createNetwork();
      return dragonflyEndpoint(new Construct(stack, 'Cache'), { ...deployment, network, settings: backend });
    }
    case 'external':
      return externalEndpoint(new Construct(stack, 'Cache'), { ...backend, network: existing, deployment });
    case 'memory':
      return memoryEndpoint(new Construct(stack, 'Cache'));
  }
}
