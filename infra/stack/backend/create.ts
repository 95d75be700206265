import type { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import { MAX_ZONES } from '../settings/settings.ts';
import type { DeploymentSettings } from '../settings/types.ts';
import { DragonflyEndpoint } from './dragonfly.ts';
import { ElastiCacheEndpoint } from './elasticache.ts';
import { ExternalEndpoint } from './external.ts';
import type { CacheEndpoint } from './index.ts';
import { MemoryEndpoint } from './memory.ts';

/** Creates the chosen backend, and its network if it needs one. */
export function createEndpoint(
  scope: Construct,
  {
    backend,
    stage,
    availabilityZones: zones,
    logRetentionDays,
    service,
  }: Pick<DeploymentSettings, 'availabilityZones' | 'backend' | 'logRetentionDays' | 'service' | 'stage'>,
): CacheEndpoint {
  const maxZones = MAX_ZONES[backend.kind];
  switch (backend.kind) {
    case 'elasticache': {
      const network = new CacheNetwork(scope, 'Network', { maxZones, zones });
      return new ElastiCacheEndpoint(scope, 'Cache', { network, settings: backend, stage });
    }
    case 'dragonfly': {
      // The task runs in one zone. The second is for a failure of the first; further ones would only cost.
      const network = new CacheNetwork(scope, 'Network', { maxZones, zones });
      return new DragonflyEndpoint(scope, 'Cache', {
        network,
        settings: backend,
        stage,
        service,
        logRetentionDays,
      });
    }
    case 'external':
      return new ExternalEndpoint(scope, 'Cache', { settings: backend, stage, service });
    case 'memory':
      return new MemoryEndpoint(scope, 'Cache');
  }
}
