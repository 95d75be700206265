/**
 * Retrieval: caches the results of queries, and the embeddings of a document's chunks in batches.
 *
 * Each result has a tag for each document that it contains, and each embedding has the tag of its document: a change of a document removes
 * what was made from it, and nothing else. The key of an embedding contains a hash of the chunk's text, so that a changed text never gets an
 * old embedding.
 *
 * A result does not contain a document that was added later, or that matches the query since it was changed, until the result expires.
 */
import { createHash } from 'node:crypto';
import type { CacheClient, GetOrSetOptions } from 'cache-service';

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

/** As long as results may be without a document that they would contain now. */
const RESULT_TTL_SECONDS = 3600;

/** If the search fails, the last result is returned for a day, unless one of its documents has changed. */
const RESULT_GRACE_SECONDS = 24 * 3600;

/** The service's limit of tags. */
const MAX_TAGS = 16;

/**
 * Returns the cached result of a search, or searches and caches the result, unless a document of the collection has changed since the search
 * started.
 */
export function find(
  cache: CacheClient,
  search: Search,
  collection: string,
  query: string,
  signal?: AbortSignal,
): Promise<Passage[]> {
  const key = `rag-results:${part(collection)}:${hash(query)}`;
  const options: GetOrSetOptions<Passage[]> = {
    grace: RESULT_GRACE_SECONDS,
    // While the search runs, it is not known which documents it has read.
    tags: [collectionTag(collection)],
    tagsOf: (passages) => resultTags(collection, passages),
    signal,
  };
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
  const tag = documentTag(collection, document);
  const prefix = `${tag}:${part(model.name)}:`;
  const keys = chunks.map((text) => prefix + hash(text));
  const texts = new Map(chunks.map((text, index) => [keys[index], text]));
  const embedMissing = (missing: string[], unwanted: AbortSignal) =>
    model.embed(
      missing.map((key) => texts.get(key) ?? ''),
      unwanted,
    );
  const options = { timeoutMs: 3000, tags: [tag], signal };
  return cache.getOrSetMany(keys, EMBEDDING_TTL_SECONDS, embedMissing, options);
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
  await cache.invalidateTags([documentTag(collection, document), collectionTag(collection)]);
}

/** A result with too many documents for tags, or with none, is removed by every change in the collection. */
function resultTags(collection: string, passages: Passage[]): string[] {
  const documents = new Set(passages.map(({ document }) => document));
  if (documents.size === 0 || documents.size > MAX_TAGS) return [collectionTag(collection)];
  return [...documents].map((document) => documentTag(collection, document));
}

/** Such as `rag:acme-docs`. */
function collectionTag(collection: string): string {
  return `rag:${part(collection)}`;
}

/** Such as `rag:acme-docs:doc-17`. */
function documentTag(collection: string, document: string): string {
  return `${collectionTag(collection)}:${part(document)}`;
}

/** Encodes a name as a part of a key or a tag: escapes the separator, and shortens a long name, because tags have at most 256 bytes. */
function part(name: string): string {
  const encoded = encodeURIComponent(name);
  return encoded.length <= 100 ? encoded : hash(name);
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
