import type { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import { MOST_ZONES } from '../settings/settings.ts';
import type { DeploymentSettings } from '../settings/types.ts';
import { DragonflyEndpoint } from './dragonfly.ts';
import { ElastiCacheEndpoint } from './elasticache.ts';
import { ExternalEndpoint } from './external.ts';
import type { CacheEndpoint } from './index.ts';
import { MemoryEndpoint } from './memory.ts';

/** The endpoint of the chosen backend, and the network that it is in if it needs one. */
export function createEndpoint(
  scope: Construct,
  {
    backend,
    stage,
    availabilityZones: names,
    logRetentionDays,
    service,
  }: Pick<DeploymentSettings, 'availabilityZones' | 'backend' | 'logRetentionDays' | 'service' | 'stage'>,
): CacheEndpoint {
  switch (backend.kind) {
    case 'elasticache': {
      const network = new CacheNetwork(scope, 'Network', { zones: MOST_ZONES.elasticache, names });
      return new ElastiCacheEndpoint(scope, 'Cache', { network, settings: backend, stage });
    }
    case 'dragonfly': {
      // One task runs in one of them; the second is where it goes when the first fails. Each further one would be paid for.
      const network = new CacheNetwork(scope, 'Network', { zones: MOST_ZONES.dragonfly, names });
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
