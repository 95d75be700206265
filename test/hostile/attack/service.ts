import assert from 'node:assert/strict';
import { type Service, startService } from '../../http/service.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { attackByBytes } from './bytes.ts';
import type { Outcome } from './caller.ts';
import { checkEngine } from './engine.ts';
import { attackByRequests, SETTINGS } from './requests.ts';
import { Tally } from './tally.ts';

export interface ServiceAttack {
  /** Where the service stores its entries: in its own process or on a server. */
  backend: 'embedded' | 'server';
  /** Number of rounds. Each round starts a new service. */
  rounds: number;
  /** Number of request series per round. A series has 25 requests on average. */
  series: number;
  /** Number of volleys of raw bytes per round. A volley opens 25 connections on average. */
  volleys: number;
  seed: number;
}

/**
 * Attacks a service over HTTP with requests and with raw bytes, then checks that the service still runs and that its engine
 * contains only expected keys.
 *
 * @throws Error that describes how the service departed from the contract
 */
export async function attackService({
  backend,
  rounds,
  series,
  volleys,
  seed,
}: ServiceAttack): Promise<Tally> {
  const tally = new Tally();
  // A server of its own, because every key in it is checked.
  const server = backend === 'embedded' ? undefined : await startServer();
  try {
    const tenants = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const outcome = await attackNewService(server, (port) =>
        attackByRequests({ port, series, seed: seed + 100 * round }),
      );
      tally.add(outcome.tally);
      for (const tenant of outcome.tenants) tenants.add(tenant);
    }
    if (server) await checkEngine(server, tenants);
    for (let round = 0; round < rounds; round++) {
      const outcome = await attackNewService(server, (port) =>
        attackByBytes({ port, series: volleys, seed: seed + 100 * round }),
      );
      tally.add(outcome.tally);
    }
    // Without a list of tenants: damaged bytes may contain any tenant name.
    if (server) await checkEngine(server);
  } finally {
    await server?.stop();
  }
  return tally;
}

async function attackNewService(
  server: Server | undefined,
  attack: (port: number) => Promise<Outcome>,
): Promise<Outcome> {
  const service = await startService({ ...SETTINGS, ...(server && { DRAGONFLY_URL: server.url }) });
  try {
    const outcome = await attack(service.port);
    checkRunning(service);
    return outcome;
  } finally {
    await service.stop();
  }
}

/** Checks that the process runs, that stderr is empty, and that the log has one JSON object per line, all at level INFO. */
function checkRunning({ pid, stdout, stderr }: Service): void {
  process.kill(pid, 0);
  assert.equal(stderr(), '');
  // Ignore lines from before the service listens: on a busy machine the start may log warnings.
  const [, since = ''] = stdout().split(' listens on ');
  const [, ...lines] = since.trimEnd().split(/\n(?=\{)/);
  assert.ok(lines.length > 0);
  for (const line of lines) assert.equal(JSON.parse(line).level, 'INFO', line);
}
