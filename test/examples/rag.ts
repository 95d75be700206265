/**
 * Retrieval: caches the results of queries, and the embeddings of a document's chunks in one batch.
 *
 * The key of an embedding contains the document, so that one pattern removes all embeddings of a document, and a hash of the
 * chunk's text, so that a changed text never gets an old embedding. A search result may contain any document: a change of one
 * document therefore removes all results of its collection.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

/** Implemented by the caller: returns a vector for each text, in order. */
export interface EmbeddingModel {
  name: string;
  embed(texts: string[], signal?: AbortSignal): Promise<number[][]>;
}

export interface Passage {
  document: string;
  text: string;
}

/** Implemented by the caller. */
export type Search = (query: string, signal: AbortSignal) => Promise<Passage[]>;

/** Long: the embedding of a text by a model does not change. */
const EMBEDDING_TTL_SECONDS = 30 * 24 * 3600;

/** Short: a search that started before a document changed may be cached after the change, and is stale until it expires. */
const RESULT_TTL_SECONDS = 300;

/** Returns the cached result of a search, or searches and caches the result. */
export function find(
  cache: CacheClient,
  search: Search,
  collection: string,
  query: string,
  signal?: AbortSignal,
): Promise<Passage[]> {
  const key = `rag-results:${part(collection)}:${hash(query)}`;
  return cache.getOrSet(key, RESULT_TTL_SECONDS, (unwanted) => search(query, unwanted), { signal });
}

/**
 * Returns the embeddings of a document's chunks, in order. The model is called once, for the chunks that are not cached.
 *
 * @throws what the model throws, or the reason of the signal; never an error of the cache
 */
export async function embedChunks(
  cache: CacheClient,
  model: EmbeddingModel,
  collection: string,
  document: string,
  chunks: readonly string[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const prefix = `${ofDocument(collection, document)}${part(model.name)}:`;
  // A map by key, so that a repeated text is embedded once.
  const wanted = new Map(chunks.map((text) => [prefix + hash(text), text]));
  const options = { signal, timeoutMs: 3000 };
  const lookups = (await cache.getMany<number[]>([...wanted.keys()], options).catch(report)) ?? [];
  signal?.throwIfAborted();
  const vectors = new Map(lookups.flatMap((lookup) => (lookup.found ? [[lookup.key, lookup.value]] : [])));
  const missing = [...wanted].filter(([key]) => !vectors.has(key));
  if (missing.length > 0) {
    const texts = missing.map(([, text]) => text);
    const made = await model.embed(texts, signal);
    const entries = missing.map(([key], index) => {
      const value = made[index];
      if (!value) throw new Error(`${model.name} gave ${made.length} vectors for ${texts.length} texts`);
      vectors.set(key, value);
      return { key, value, ttl: EMBEDDING_TTL_SECONDS };
    });
    await cache.setMany(entries, options).catch(report);
  }
  return chunks.map((text) => vectors.get(prefix + hash(text)) as number[]);
}

/**
 * Call it when a document was changed or removed.
 *
 * @throws CacheError if entries of the document may still be cached; retry
 */
export async function documentChanged(
  cache: CacheClient,
  collection: string,
  document: string,
): Promise<void> {
  await cache.invalidate(`${ofDocument(collection, document)}*`);
  await cache.invalidate(`rag-results:${part(collection)}:*`);
}

/** The prefix of a document's keys, such as `rag:acme-docs:doc-17:`. */
function ofDocument(collection: string, document: string): string {
  return `rag:${part(collection)}:${part(document)}:`;
}

/** Encodes a name as a part of a key or a pattern: escapes the separator and the wildcards. */
function part(name: string): string {
  return encodeURIComponent(name).replaceAll('*', '%2A');
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** Logs a failure of the cache, which must not fail the call. */
function report(error: unknown): undefined {
  console.warn('The cache is not used:', error);
}
