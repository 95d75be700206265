/** Cache for LangChain.js models: `new ChatOpenAI({ cache: new LangChainCache(cache) })`. */
import { BaseCache, deserializeStoredGeneration, serializeGeneration } from '@langchain/core/caches';
import type { Generation } from '@langchain/core/outputs';
import { type Cache, checkAdapter, storedKey } from './limits.ts';

export interface LangChainCacheOptions {
  /** Start of every key. Default: `langchain:`. */
  prefix?: string | undefined;
  /** Whole seconds. Default: the service's default TTL (300). */
  ttl?: number | undefined;
  /** Tags of every entry: see `invalidateTags`. */
  tags?: readonly string[] | undefined;
  /** Called with each failure of the cache. The model is called instead, or its answer is not cached. */
  onError?: ((error: unknown, operation: 'get' | 'set') => void) | undefined;
}

type StoredGeneration = Parameters<typeof deserializeStoredGeneration>[0];

/** What is stored for each generation. */
type Stored = StoredGeneration & Pick<Generation, 'generationInfo'>;

/**
 * Caches a model's generations. LangChain makes the key from the prompt and the model's settings.
 *
 * LangChain calls `lookup` and `update` independently of each other, so several callers that miss at the same time each call the model.
 * A value that JSON changes, such as a `Date` in `response_metadata`, is returned as JSON represents it.
 */
export class LangChainCache extends BaseCache {
  readonly #cache: Cache<'get' | 'set'>;
  readonly #options: LangChainCacheOptions;

  /** @throws TypeError for what is no client, or for a wrong option */
  constructor(cache: Cache<'get' | 'set'>, options: LangChainCacheOptions = {}) {
    super();
    checkAdapter(cache, options);
    this.#cache = cache;
    this.#options = options;
  }

  /** @returns null for a miss, and if the cache fails: LangChain would otherwise fail the call to the model */
  override async lookup(prompt: string, llmKey: string): Promise<Generation[] | null> {
    try {
      const lookup = await this.#cache.get<Stored[]>(await this.#keyOf(prompt, llmKey));
      if (!lookup.found) return null;
      return lookup.value.map((stored) => ({
        ...deserializeStoredGeneration(stored),
        ...(stored.generationInfo && { generationInfo: stored.generationInfo }),
      }));
    } catch (error) {
      this.#options.onError?.(error, 'get');
      return null;
    }
  }

  /** Does not reject if the cache fails. */
  override async update(prompt: string, llmKey: string, value: Generation[]): Promise<void> {
    const { ttl, tags } = this.#options;
    try {
      const stored = value.map((generation): Stored => {
        const { generationInfo } = generation;
        return { ...serializeGeneration(generation), ...(generationInfo && { generationInfo }) };
      });
      await this.#cache.set(await this.#keyOf(prompt, llmKey), stored, { ttl, tags });
    } catch (error) {
      this.#options.onError?.(error, 'set');
    }
  }

  #keyOf(prompt: string, llmKey: string): Promise<string> {
    return storedKey((this.#options.prefix ?? 'langchain:') + this.keyEncoder(prompt, llmKey));
  }
}
