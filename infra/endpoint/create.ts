import type { Construct } from 'constructs';
import { CacheNetwork } from '../network.ts';
import type { DeploymentSettings } from '../settings.ts';
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
  }: Pick<DeploymentSettings, 'availabilityZones' | 'backend' | 'stage' | 'logRetentionDays'>,
): CacheEndpoint {
  switch (backend.kind) {
    case 'elasticache': {
      // As many as ElastiCache Serverless takes.
      const network = new CacheNetwork(scope, 'Network', { zones: 3, names });
      return new ElastiCacheEndpoint(scope, 'Cache', { network, settings: backend, stage });
    }
    case 'dragonfly': {
      // One task runs in one of them; the second is where it goes when the first fails. Each further one would be paid for.
      const network = new CacheNetwork(scope, 'Network', { zones: 2, names });
      return new DragonflyEndpoint(scope, 'Cache', { network, settings: backend, stage, logRetentionDays });
    }
    case 'external':
      return new ExternalEndpoint(scope, 'Cache', backend);
    case 'memory':
      return new MemoryEndpoint(scope, 'Cache');
  }
}
