/**
 * Caches an agent's answers by question. Of all processes that are asked the same question, one calls the agent. Incomplete answers are
 * returned and not cached. If the agent fails, an older complete answer is returned, if there is one.
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

/** An old answer is better than none for a day. Removed answers are not returned. */
const GRACE_SECONDS = 24 * 3600;

/** The agent takes less. After this time, another process calls it. */
const LEASE_SECONDS = 60;

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
  const produce = async (unwanted: AbortSignal): Promise<Answer> => {
    const answer = await agent.answer(question, unwanted);
    if (!answer.complete) throw new IncompleteAnswer(answer);
    return answer;
  };
  const options = { grace: GRACE_SECONDS, lease: LEASE_SECONDS, signal };
  try {
    return await cache.getOrSet(keyOf(agent, question), TTL_SECONDS, produce, options);
  } catch (error) {
    if (error instanceof IncompleteAnswer) return error.answer;
    throw error;
  }
}

/** Thrown by a producer, so that its answer is not cached. */
class IncompleteAnswer extends Error {
  readonly answer: Answer;

  constructor(answer: Answer) {
    super('The answer is incomplete');
    this.answer = answer;
  }
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
