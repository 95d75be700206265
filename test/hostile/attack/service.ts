import assert from 'node:assert/strict';
import { type Service, startService } from '../../http/service.ts';
import { type Server, startServer } from '../../support/engines/server.ts';
import { attackByBytes } from './bytes.ts';
import type { Outcome } from './caller.ts';
import { checkEngine } from './engine.ts';
import { attackByRequests, SETTINGS } from './requests.ts';
import { Tally } from './tally.ts';

export interface ServiceAttack {
  /** Whether the service keeps its entries itself or on a server. */
  backend: 'embedded' | 'server';
  /** How often all of it is done, each time to a service that was started for it. */
  rounds: number;
  /** How many series of some 25 requests a round. */
  series: number;
  /** How many volleys of some 25 connections with bytes of any kind a round. */
  volleys: number;
  seed: number;
}

/**
 * Attacks a service over HTTP, and looks afterwards whether it and its engine are alive and well.
 *
 * @throws Error with what was not as the contract has it
 */
export async function attackService({
  backend,
  rounds,
  series,
  volleys,
  seed,
}: ServiceAttack): Promise<Tally> {
  const tally = new Tally();
  // One of its own, since every key of it is looked at.
  const server = backend === 'embedded' ? undefined : await startServer();
  try {
    const tenants = new Set<string>();
    for (let round = 0; round < rounds; round++) {
      const outcome = await onService(server, (port) =>
        attackByRequests({ port, series, seed: seed + 100 * round }),
      );
      tally.add(outcome.tally);
      for (const tenant of outcome.tenants) tenants.add(tenant);
    }
    if (server) await checkEngine(server, tenants);
    for (let round = 0; round < rounds; round++) {
      const outcome = await onService(server, (port) =>
        attackByBytes({ port, series: volleys, seed: seed + 100 * round }),
      );
      tally.add(outcome.tally);
    }
    // Whom damaged bytes name nobody knows beforehand.
    if (server) await checkEngine(server);
  } finally {
    await server?.stop();
  }
  return tally;
}

async function onService(
  server: Server | undefined,
  attack: (port: number) => Promise<Outcome>,
): Promise<Outcome> {
  const service = await startService({ ...SETTINGS, ...(server && { DRAGONFLY_URL: server.url }) });
  try {
    const outcome = await attack(service.port);
    checkWell(service);
    return outcome;
  } finally {
    await service.stop();
  }
}

/** It lives, complains about nothing, and has logged one line of JSON at a time, none of them worse than news. */
function checkWell({ pid, stdout, stderr }: Service): void {
  process.kill(pid, 0);
  assert.equal(stderr(), '');
  // What is logged before it listens is of a start on a busy machine.
  const [, since = ''] = stdout().split(' listens on ');
  const [, ...lines] = since.trimEnd().split(/\n(?=\{)/);
  assert.ok(lines.length > 0);
  for (const line of lines) assert.equal(JSON.parse(line).level, 'INFO', line);
}
