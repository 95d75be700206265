import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/engines/topology.ts';
import { httpCaller } from './caller.ts';
import type { Figures } from './figures.ts';
import { Load, type LoadOptions } from './load.ts';
import { summarizeLog } from './log.ts';
import { type Environment, type Service, startService } from './service.ts';

export interface Experiment {
  /** Settings of the service, including `DRAGONFLY_URL`. */
  env: Environment;
  load?: LoadOptions;
  /** Latency that the fault itself adds to a response, in milliseconds. */
  injectedDelayMs?: number;
  /** Whether the load begins during the first fault. */
  brokenAtStart?: boolean;
  /** Texts that must not appear in the log. */
  secrets?: readonly string[];
}

/** Time of load on a healthy service before the first fault and after the last, in milliseconds. */
const QUIET_MS = 300;

/** Timeout for the first hit, in milliseconds. Only a cache that does not work reaches it. */
const HIT_WITHIN_MS = 60_000;

/**
 * Runs the local server as `npm start` does, starts a load on it, and calls `faults`, which injects faults within `load.during`.
 *
 * @returns the figures after the load and the service have ended
 */
export async function underLoad(
  { env, load: options, injectedDelayMs = 0, brokenAtStart = false, secrets = [] }: Experiment,
  faults: (load: Load) => Promise<unknown>,
): Promise<Figures> {
  const service = await startService({ LOG_LEVEL: 'WARN', ...env });
  const figures = await loaded(service, options, async (load) => {
    if (!brokenAtStart) await sleep(QUIET_MS);
    await faults(load);
    await sleep(QUIET_MS);
    // On a busy machine the quiet time may end before the first hit.
    await eventually('a get has found a value', async () => load.hasHit, HIT_WITHIN_MS);
  }).catch(async (error) => {
    await service.stop();
    throw error;
  });
  const { output, lagMs } = await service.stop();
  figures.injectedDelayMs = injectedDelayMs;
  figures.lagMs += lagMs;
  for (const secret of secrets.filter((text) => output.includes(text))) {
    figures.leaks++;
    figures.problems.push(`the log contains a secret of ${secret.length} characters`);
  }
  const seen = summarizeLog(output);
  if (seen) figures.notes.log = seen;
  return figures;
}

/** Runs the load, and stops it even if a fault throws. */
async function loaded(
  { port }: Service,
  options: LoadOptions | undefined,
  meanwhile: (load: Load) => Promise<void>,
): Promise<Figures> {
  const load = new Load(httpCaller(port), options);
  try {
    await meanwhile(load);
  } catch (error) {
    await load.stop();
    throw error;
  }
  return load.stop();
}
