import { setTimeout as sleep } from 'node:timers/promises';
import { eventually } from '../../support/engines/topology.ts';
import { httpCaller } from './caller.ts';
import type { Figures } from './figures.ts';
import { Load, type LoadOptions } from './load.ts';
import { operatorSees } from './log.ts';
import { type Environment, type Service, startService } from './service.ts';

export interface Experiment {
  /** Settings of the service; `DRAGONFLY_URL` says what it works on. */
  env: Environment;
  load?: LoadOptions;
  /** What the fault itself adds to an answer's way, in milliseconds. */
  injectedDelayMs?: number;
  /** The load begins within the first fault. */
  brokenAtStart?: boolean;
  /** What no line of the log may show. */
  secrets?: readonly string[];
}

/** Before the first fault and after the last, in milliseconds: so much of the load meets a service in good health. */
const QUIET_MS = 300;

/** Only a cache that is of no use takes so long for its first hit. */
const HIT_WITHIN_MS = 60_000;

/**
 * Runs the local server as `npm start` does, puts load on it, and lets `faults` break things by `load.during`.
 *
 * @returns what came of it, when the load is over and the service has ended
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
    // On a busy machine the quiet may be over before anything was set and got.
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
    figures.problems.push(`the log shows a secret of ${secret.length} characters`);
  }
  const seen = operatorSees(output);
  if (seen) figures.notes.log = seen;
  return figures;
}

/** The load ends whatever happens meanwhile. */
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
