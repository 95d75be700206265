/**
 * An agent's answers, cached by question: with plain `get` and `set`, since not every answer is one to keep.
 *
 * The key names the agent and the version of its prompt, so that a new prompt starts with nothing cached, and all answers of an
 * old one can be removed by a pattern. It is for answers that depend on nothing but the question; whatever else they depend on,
 * such as who asks or what was said before, belongs in the key.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

export interface Answer {
  text: string;
  /** False where a tool failed or time ran out: good enough for who asked, not for those who ask next. */
  complete: boolean;
}

/** The caller's own. */
export interface Agent {
  /** Of letters, digits and dashes: `support`. */
  name: string;
  model: string;
  /** Counted up with each change of the prompt. */
  promptVersion: number;
  answer(question: string, signal?: AbortSignal): Promise<Answer>;
}

const TTL_SECONDS = 3600;

/** What a lookup or a set may take before it is better to do without, in milliseconds. */
const CACHE_TIMEOUT_MS = 1000;

/**
 * The agent's answer to a question, or that to the same question before. Without the cache it is the agent's.
 *
 * @throws what the agent throws, or the reason of the signal
 */
export async function ask(
  cache: CacheClient,
  agent: Agent,
  question: string,
  signal?: AbortSignal,
): Promise<Answer> {
  const key = keyOf(agent, question);
  const options = { signal, timeoutMs: CACHE_TIMEOUT_MS };
  const lookup = await cache.get<Answer>(key, options).catch(report);
  signal?.throwIfAborted();
  if (lookup?.found) return lookup.value;
  const answer = await agent.answer(question, signal);
  // Awaited, since what a function leaves under way when it returns may never end.
  if (answer.complete) await cache.set(key, answer, { ...options, ttl: TTL_SECONDS }).catch(report);
  return answer;
}

/**
 * Removes the answers that were given with one version of an agent's prompt.
 *
 * @returns how many there were
 * @throws CacheError when they may still be there: try again
 */
export function forgetAnswers(cache: CacheClient, name: string, promptVersion: number): Promise<number> {
  return cache.invalidate(`agent:${name}:v${promptVersion}:*`);
}

/** `agent:support:v3:` and a hash. What cannot change the meaning does not change the key; upper and lower case can. */
function keyOf({ name, model, promptVersion }: Agent, question: string): string {
  const normalised = question.normalize('NFC').trim().replace(/\s+/g, ' ');
  const hash = createHash('sha256')
    .update(JSON.stringify([model, normalised]))
    .digest('hex');
  return `agent:${name}:v${promptVersion}:${hash}`;
}

/** An answer is worth more than its being cached: that the cache failed is told, and no failure of the call. */
function report(error: unknown): undefined {
  console.warn('The cache is not used:', error);
}
