import { type Backend, startBackend } from '../bench/backend.ts';
import { loadTenant, nameOf } from '../bench/tenant.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { eventOf, type HttpResponse } from './harness/caller.ts';
import { now } from './harness/clock.ts';
import { emptyFigures, type Figures } from './harness/figures.ts';
import { judgeFailure } from './harness/judge.ts';
import type { Scenario } from './harness/scenario.ts';

const TENANT = 'deadline';

/** A key that the pattern does not match. */
const BYSTANDER = 'bystander';

/** Number of invalidated keys to read at the end. Enough to detect a page that was left out. */
const SAMPLED_KEYS = 2000;

/** The error that an unfinished invalidation must return before the function's time is over. */
const INCOMPLETE = '503 INVALIDATION_INCOMPLETE';

/** Time that a busy machine may add in the short form, in milliseconds. */
const BUSY_MS = 2000;

/** An invalidation that does not finish in a function's time. It must report that in time, and continue when it is retried. */
export const deadline: Scenario = {
  name: 'deadline',
  breaks: 'a million entries invalidated by a function with two seconds left',
  async run({ pick, log }) {
    const count = pick(60_000, 1_000_000);
    // The function reserves one second of it for the response.
    const timeLeftMs = pick(1030, 2000);
    const backend = await startBackend();
    let invalidate: LambdaFunction | undefined;
    try {
      log(`loading ${count.toLocaleString('en-US')} entries`);
      await loadTenant(backend, TENANT, count);
      await backend.store.set(TENANT, BYSTANDER, '"stays"', 3600);
      invalidate = await startFunction('invalidate', {
        DRAGONFLY_URL: backend.server.url,
        BACKEND_TIMEOUT_MS: '',
      });
      const slackMs = pick(BUSY_MS, 0);
      const ask = (event: unknown) => (invalidate as LambdaFunction).invoke(event, timeLeftMs, slackMs);
      const figures = await repeated(backend, ask, count);
      // In the short form, on a busy machine, every response may be too late to have this error.
      if (pick(false, true) && !figures.failures[INCOMPLETE])
        problem(figures, `no request returned ${INCOMPLETE}`);
      figures.notes.timeLeftMs = timeLeftMs;
      return figures;
    } finally {
      await invalidate?.stop();
      await backend.stop();
    }
  },
};

/** Repeats the invalidation until it succeeds. */
async function repeated(backend: Backend, ask: LambdaFunction['invoke'], count: number): Promise<Figures> {
  const figures = emptyFigures();
  const event = eventOf({ operation: 'invalidate', tenant: TENANT, pattern: 'item:*' })[1];
  let gone = 0;
  let complete = false;
  let uncounted = false;
  const begun = now();
  while (!complete) {
    const asked = now();
    figures.requests++;
    let response: HttpResponse;
    try {
      const { statusCode = 0, body = '' } = await ask(event);
      response = { status: statusCode, text: body };
    } catch (error) {
      // The sandbox has ended as well.
      problem(figures, `no response in time: ${(error as Error).name}`);
      return figures;
    }
    figures.slowestMs = Math.max(figures.slowestMs, now() - asked);
    complete = response.status === 200;
    const removed = complete ? countIn(response, 'data') : countIn(response, 'error');
    gone += removed;
    if (complete) continue;
    const { name, unavailable } = judgeFailure(response);
    figures.failures[name] = (figures.failures[name] ?? 0) + 1;
    // On a busy machine the backend may be too slow. That error has no count.
    uncounted ||= unavailable;
    if (unavailable || (name === INCOMPLETE && removed > 0)) continue;
    problem(figures, `${name} after ${gone} entries`);
    if (figures.unexplained > 5) break;
  }
  figures.notes.entriesPerSecond = Math.round((gone / (now() - begun)) * 1000);
  if (uncounted ? gone > count : gone !== count)
    problem(figures, `${gone} entries were removed instead of ${count}`);
  if (figures.requests < 2) problem(figures, 'the first request finished, so none ran out of time');
  await checkEntries(backend, figures, count);
  return figures;
}

async function checkEntries({ store, raw }: Backend, figures: Figures, count: number): Promise<void> {
  for (let i = 0; i < count; i += Math.ceil(count / SAMPLED_KEYS)) {
    if (await store.get(TENANT, nameOf(i))) figures.stale++;
  }
  if (await store.get(TENANT, BYSTANDER)) figures.hits++;
  else problem(figures, 'an entry was removed that the pattern does not match');
  // The bystander and the three helper keys of its shard.
  const keys = await raw.dbsize();
  if (keys !== 4) problem(figures, `${keys} keys are left on the server instead of 4`);
}

function countIn({ text }: HttpResponse, part: 'data' | 'error'): number {
  const response = JSON.parse(text);
  return Number(part === 'data' ? response.data?.count : (response.error?.details?.count ?? 0));
}

function problem(figures: Figures, line: string): void {
  figures.unexplained++;
  figures.problems.push(line);
}
