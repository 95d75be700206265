/**
 * Caches an agent's answers by question. It uses `get` and `set` instead of `getOrSet`, because incomplete answers are not cached.
 *
 * The key contains the agent and the version of its prompt. A new prompt therefore starts without cached answers, and a pattern
 * removes all answers of an old prompt. The answers must depend only on the question: anything else that they depend on, such
 * as the user or the conversation, belongs in the key.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

export interface Answer {
  text: string;
  /** False if a tool failed or timed out. Such an answer is returned to the caller and not cached. */
  complete: boolean;
}

/** Implemented by the caller. */
export interface Agent {
  /** Letters, digits and dashes, such as `support`. */
  name: string;
  model: string;
  /** Incremented with each change of the prompt. */
  promptVersion: number;
  answer(question: string, signal?: AbortSignal): Promise<Answer>;
}

const TTL_SECONDS = 3600;

/** Timeout of a get and of a set, after which the agent continues without the cache. */
const CACHE_TIMEOUT_MS = 1000;

/**
 * Returns the cached answer to a question, or calls the agent and caches its answer. If the cache fails, the agent is called.
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
  // The set is awaited: a serverless function may be frozen when it returns, before the request has ended.
  if (answer.complete) await cache.set(key, answer, { ...options, ttl: TTL_SECONDS }).catch(report);
  return answer;
}

/**
 * Removes the answers of one version of an agent's prompt.
 *
 * @returns the number of removed answers
 * @throws CacheError if answers may still be cached; retry
 */
export function forgetAnswers(cache: CacheClient, name: string, promptVersion: number): Promise<number> {
  return cache.invalidate(`agent:${name}:v${promptVersion}:*`);
}

/** `agent:support:v3:` and a hash of the question, which ignores differences in white space and not in case. */
function keyOf({ name, model, promptVersion }: Agent, question: string): string {
  const normalised = question.normalize('NFC').trim().replace(/\s+/g, ' ');
  const hash = createHash('sha256')
    .update(JSON.stringify([model, normalised]))
    .digest('hex');
  return `agent:${name}:v${promptVersion}:${hash}`;
}

/** Logs a failure of the cache, which must not fail the call. */
function report(error: unknown): undefined {
  console.warn('The cache is not used:', error);
}
