/**
 * Retrieval: a query's result, and the embeddings of a document's chunks in one batch.
 *
 * An embedding's key names its document, so that one pattern removes all that is cached of it, and a hash of the chunk's text,
 * so that a text never gets the embedding of another. What a search found may be of any document: a change of one takes all
 * results of its collection.
 */
import { createHash } from 'node:crypto';
import type { CacheClient } from 'cache-service';

/** The caller's own: a vector for each text, in order. */
export interface EmbeddingModel {
  name: string;
  embed(texts: string[], signal?: AbortSignal): Promise<number[][]>;
}

export interface Passage {
  document: string;
  text: string;
}

/** The caller's own. */
export type Search = (query: string, signal: AbortSignal) => Promise<Passage[]>;

/** What one text and one model give stays right. */
const EMBEDDING_TTL_SECONDS = 30 * 24 * 3600;

/** Short: a search that began before a document changed may be cached after that, and stays for as long. */
const RESULT_TTL_SECONDS = 300;

/** What a search finds, or has found a short while ago. */
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
 * The embeddings of a document's chunks, in order, of which the model is asked for those that are not cached, all at once.
 *
 * @throws what the model throws, or the reason of the signal; never because of the cache
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
  // By key, so that a text that comes twice is embedded once.
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
 * To be called when a document has changed or gone.
 *
 * @throws CacheError when something of it may still be cached: try again
 */
export async function documentChanged(
  cache: CacheClient,
  collection: string,
  document: string,
): Promise<void> {
  await cache.invalidate(`${ofDocument(collection, document)}*`);
  await cache.invalidate(`rag-results:${part(collection)}:*`);
}

/** `rag:acme-docs:doc-17:` */
function ofDocument(collection: string, document: string): string {
  return `rag:${part(collection)}:${part(document)}:`;
}

/** A name as a part of a key or a pattern, with nothing in it that separates parts or that patterns take for a wildcard. */
function part(name: string): string {
  return encodeURIComponent(name).replaceAll('*', '%2A');
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** The vectors are worth more than their being cached: that the cache failed is told, and no failure of the call. */
function report(error: unknown): undefined {
  console.warn('The cache is not used:', error);
}
