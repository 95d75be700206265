/**
 * Retrieval: caches the results of queries, and the embeddings of a document's chunks in batches.
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

/** As long as results may miss changes that were not reported to `documentChanged`. */
const RESULT_TTL_SECONDS = 24 * 3600;

/** If the search fails, the last result is returned for another day, unless a document has changed. */
const RESULT_GRACE_SECONDS = 24 * 3600;

/** Returns the cached result of a search, or searches and caches the result, unless a document has changed since the search started. */
export function find(
  cache: CacheClient,
  search: Search,
  collection: string,
  query: string,
  signal?: AbortSignal,
): Promise<Passage[]> {
  const key = `rag-results:${part(collection)}:${hash(query)}`;
  const options = { grace: RESULT_GRACE_SECONDS, signal };
  return cache.getOrSet(key, RESULT_TTL_SECONDS, (unwanted) => search(query, unwanted), options);
}

/**
 * Returns the embeddings of a document's chunks, in order. The model is called for the chunks that are neither cached nor being embedded by
 * another process.
 *
 * @throws what the model throws, or the reason of the signal; never an error of the cache
 */
export function embedChunks(
  cache: CacheClient,
  model: EmbeddingModel,
  collection: string,
  document: string,
  chunks: readonly string[],
  signal?: AbortSignal,
): Promise<number[][]> {
  const prefix = `${ofDocument(collection, document)}${part(model.name)}:`;
  const keys = chunks.map((text) => prefix + hash(text));
  const texts = new Map(chunks.map((text, index) => [keys[index], text]));
  const embedMissing = (missing: string[], unwanted: AbortSignal) =>
    model.embed(
      missing.map((key) => texts.get(key) ?? ''),
      unwanted,
    );
  return cache.getOrSetMany(keys, EMBEDDING_TTL_SECONDS, embedMissing, { timeoutMs: 3000, signal });
}

/**
 * Call it after a document was changed or removed, when searches find it as it is now.
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
