import { type Backend, startBackend } from '../bench/backend.ts';
import { loadTenant, nameOf } from '../bench/tenant.ts';
import { type LambdaFunction, startFunction } from '../bundles/lambda.ts';
import { type Answer, eventOf } from './harness/caller.ts';
import { now } from './harness/clock.ts';
import { type Figures, noFigures } from './harness/figures.ts';
import { judgeFailure } from './harness/judge.ts';
import type { Scenario } from './harness/scenario.ts';

const TENANT = 'deadline';

/** What no pattern here matches. */
const BYSTANDER = 'bystander';

/** Looked at in the end, of all that was to go: enough that a page that was left out would show. */
const LOOKED_AT = 2000;

/** What has to be said of an invalidation that is not done, before its time is over. */
const INCOMPLETE = '503 INVALIDATION_INCOMPLETE';

/** What a busy machine may add, in milliseconds, where little time is left. */
const BUSY_MS = 2000;

/** An invalidation that is larger than the time a function has: it says so before that is over, and goes on when asked again. */
export const deadline: Scenario = {
  name: 'deadline',
  breaks: 'a million entries invalidated by a function with two seconds left',
  async run({ pick, say }) {
    const count = pick(60_000, 1_000_000);
    // A second of it is kept back for the answer.
    const timeLeftMs = pick(1030, 2000);
    const backend = await startBackend();
    let invalidate: LambdaFunction | undefined;
    try {
      say(`${count.toLocaleString('en-US')} entries are loaded`);
      await loadTenant(backend, TENANT, count);
      await backend.store.set(TENANT, BYSTANDER, '"stays"', 3600);
      invalidate = await startFunction('invalidate', {
        DRAGONFLY_URL: backend.server.url,
        BACKEND_TIMEOUT_MS: '',
      });
      const slackMs = pick(BUSY_MS, 0);
      const ask = (event: unknown) => (invalidate as LambdaFunction).invoke(event, timeLeftMs, slackMs);
      const figures = await repeated(backend, ask, count);
      // In the short form so little time is left that on a busy machine every answer may come too late.
      if (pick(false, true) && !figures.failures[INCOMPLETE])
        problem(figures, 'none said that it was not done');
      figures.notes.timeLeftMs = timeLeftMs;
      return figures;
    } finally {
      await invalidate?.stop();
      await backend.stop();
    }
  },
};

/** Sends the same request again until it is answered with success. */
async function repeated(backend: Backend, ask: LambdaFunction['invoke'], count: number): Promise<Figures> {
  const figures = noFigures();
  const event = eventOf({ operation: 'invalidate', tenant: TENANT, pattern: 'item:*' })[1];
  let gone = 0;
  let complete = false;
  let uncounted = false;
  const begun = now();
  while (!complete) {
    const asked = now();
    figures.requests++;
    let answer: Answer;
    try {
      const { statusCode = 0, body = '' } = await ask(event);
      answer = { status: statusCode, text: body };
    } catch (error) {
      // The sandbox is gone with it.
      problem(figures, `no answer in time: ${(error as Error).name}`);
      return figures;
    }
    figures.slowestMs = Math.max(figures.slowestMs, now() - asked);
    complete = answer.status === 200;
    const removed = complete ? countIn(answer, 'data') : countIn(answer, 'error');
    gone += removed;
    if (complete) continue;
    const { name, unavailable } = judgeFailure(answer);
    figures.failures[name] = (figures.failures[name] ?? 0) + 1;
    // On a busy machine a page may come too late. Such an answer has no count.
    uncounted ||= unavailable;
    if (unavailable || (name === INCOMPLETE && removed > 0)) continue;
    problem(figures, `${name} after ${gone} entries`);
    if (figures.unexplained > 5) break;
  }
  figures.notes.entriesPerSecond = Math.round((gone / (now() - begun)) * 1000);
  if (uncounted ? gone > count : gone !== count) problem(figures, `${gone} entries went and not ${count}`);
  if (figures.requests < 2) problem(figures, 'the first request was enough, and none ran out of time');
  await look(backend, figures, count);
  return figures;
}

async function look({ store, raw }: Backend, figures: Figures, count: number): Promise<void> {
  for (let i = 0; i < count; i += Math.ceil(count / LOOKED_AT)) {
    if (await store.get(TENANT, nameOf(i))) figures.stale++;
  }
  if (await store.get(TENANT, BYSTANDER)) figures.hits++;
  else problem(figures, 'an entry went that does not match');
  // The bystander, and the three helper keys of its shard.
  const keys = await raw.dbsize();
  if (keys !== 4) problem(figures, `${keys} keys are left on the server and not 4`);
}

function countIn({ text }: Answer, part: 'data' | 'error'): number {
  const answer = JSON.parse(text);
  return Number(part === 'data' ? answer.data?.count : (answer.error?.details?.count ?? 0));
}

function problem(figures: Figures, line: string): void {
  figures.unexplained++;
  figures.problems.push(line);
}
