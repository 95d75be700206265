import { CacheClient, ConnectionError, type GetOrSetOptions, type Signal } from 'cache-service';
import { beforeEach, describe, expect, test } from 'vitest';
import { PatientClient } from '../client/service.ts';
import { startProxy } from '../faults/proxy.ts';
import { describeOnBackends } from '../http/client.ts';
import { startService } from '../http/service.ts';
import { freePort } from '../support/engines/ports.ts';
import { type Agent, ask, forgetAnswers } from './agent.ts';
import { complete, type ModelRequest } from './gateway.ts';
import { documentChanged, embedChunks, find } from './rag.ts';

/** An agent that numbers its answers. */
function agent(settings: Partial<Agent> = {}): Agent & { questions: string[] } {
  const questions: string[] = [];
  const answer = async (question: string) => ({ text: `Answer ${questions.push(question)}`, complete: true });
  return { name: 'support', model: 'm-1', promptVersion: 3, answer, questions, ...settings };
}

/** An embedding model whose vectors contain numbers with many digits, which JSON must preserve. */
function embedder() {
  const batches: string[][] = [];
  const embed = async (texts: string[]) => {
    batches.push(texts);
    return texts.map(vectorOf);
  };
  return { name: 'e-1', embed, batches };
}

function vectorOf(text: string): number[] {
  return [text.length / 3, -1e-7, 0.1 + 0.2, 1];
}

const hello: ModelRequest = {
  model: 'm-1',
  messages: [{ role: 'user', content: 'Say hello.' }],
  temperature: 0,
};

/** A model that numbers its responses. */
function model() {
  let calls = 0;
  return async () => ({ choices: [{ message: { content: 'Hello.' } }], number: ++calls });
}

/** A client whose `getOrSet` caches for a second, the shortest TTL. */
class ShortLivedClient extends PatientClient {
  readonly #keys = new Set<string>();

  override getOrSet<T>(
    key: string,
    _ttl: number,
    produce: (signal: Signal) => T | Promise<T>,
    options?: GetOrSetOptions,
  ): Promise<T> {
    this.#keys.add(key);
    return super.getOrSet(key, 1, produce, options);
  }

  async expire(): Promise<void> {
    const found = async () => (await this.getMany([...this.#keys])).filter((lookup) => lookup.found);
    await expect.poll(found).toEqual([]);
  }
}

describeOnBackends('the examples', {}, (connect) => {
  let cache: CacheClient;
  /** A client that shares nothing with `cache` but the tenant, as in another process. */
  let other: CacheClient;
  let shortLived: ShortLivedClient;
  beforeEach(() => {
    const { port, tenant } = connect();
    const options = { url: `http://127.0.0.1:${port}`, tenant };
    cache = new PatientClient(options);
    other = new PatientClient(options);
    shortLived = new ShortLivedClient(options);
  });

  test('an agent is called once for a question, even if the white space differs', async () => {
    const support = agent();
    const answer = await ask(cache, support, 'Can I send it back?');
    expect(await ask(cache, support, '  Can I send\nit back? ')).toEqual(answer);
    expect(support.questions).toEqual(['Can I send it back?']);
    await ask(cache, support, 'Can IT send it back?');
    expect(support.questions).toHaveLength(2);
  });

  test('an agent with another prompt or model is called again, and only the answers of one prompt version are removed', async () => {
    const old = agent();
    const others = [agent({ promptVersion: 4 }), agent({ promptVersion: 33 }), agent({ model: 'm-2' })];
    for (const each of [old, ...others, old, ...others]) await ask(cache, each, 'Can I send it back?');
    expect([old, ...others].map(({ questions }) => questions.length)).toEqual([1, 1, 1, 1]);
    expect(await forgetAnswers(cache, 'support', 3)).toBe(2);
    for (const each of [old, ...others]) await ask(cache, each, 'Can I send it back?');
    expect([old, ...others].map(({ questions }) => questions.length)).toEqual([2, 1, 1, 2]);
  });

  test('an incomplete answer is not cached', async () => {
    let calls = 0;
    const support = agent({ answer: async () => ({ text: `${++calls}`, complete: false }) });
    expect(await ask(cache, support, 'q')).toEqual({ text: '1', complete: false });
    expect(await ask(cache, support, 'q')).toEqual({ text: '2', complete: false });
    expect(await cache.usage()).toMatchObject({ entries: 0 });
  });

  test('the last answer is returned after its TTL if the agent, the search or the model fails, unless it was removed', async () => {
    const down = async () => {
      throw new Error('is down');
    };
    const failing = agent({ answer: down });
    const answer = await ask(shortLived, agent(), 'q');
    const passages = await find(shortLived, async () => [{ document: 'd', text: 't' }], 'c', 'q');
    const response = await complete(shortLived, model(), hello);
    await shortLived.expire();
    expect(await ask(shortLived, failing, 'q')).toEqual(answer);
    const incomplete = agent({ answer: async () => ({ text: 'half', complete: false }) });
    expect(await ask(shortLived, incomplete, 'q')).toEqual(answer);
    expect(await find(shortLived, down, 'c', 'q')).toEqual(passages);
    expect(await complete(shortLived, down, hello)).toEqual(response);
    await forgetAnswers(shortLived, 'support', 3);
    await documentChanged(shortLived, 'c', 'd');
    await expect(ask(shortLived, failing, 'q')).rejects.toThrow('is down');
    await expect(find(shortLived, down, 'c', 'q')).rejects.toThrow('is down');
  });

  test('an agent and a model are called once, if two processes need the same answer at the same time', async () => {
    const begun = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<{ text: string; complete: boolean }>();
    const support = agent({
      answer: () => {
        begun.resolve();
        return answer.promise;
      },
    });
    const idle = agent();
    const asked = ask(cache, support, 'q');
    await begun.promise;
    const waiting = ask(other, idle, 'q');
    answer.resolve({ text: 'once', complete: true });
    expect(await Promise.all([asked, waiting])).toEqual(Array(2).fill({ text: 'once', complete: true }));
    expect(idle.questions).toEqual([]);
    const counting = model();
    const responses = await Promise.all([cache, other].map((each) => complete(each, counting, hello)));
    expect(responses.map(({ number }) => number)).toEqual([1, 1]);
  });

  test('an embedding model is called only for missing chunks, once for each, and vectors keep all digits', async () => {
    const embedding = embedder();
    const embed = (...chunks: string[]) => embedChunks(cache, embedding, 'acme-docs', 'doc-17', chunks);
    expect(await embed('one', 'three', 'one')).toEqual(['one', 'three', 'one'].map(vectorOf));
    expect(await embed('eleven', 'one', 'two', 'three')).toEqual(
      ['eleven', 'one', 'two', 'three'].map(vectorOf),
    );
    expect(await embed('two', 'one')).toEqual(['two', 'one'].map(vectorOf));
    expect(await embed()).toEqual([]);
    expect(embedding.batches).toEqual([
      ['one', 'three'],
      ['eleven', 'two'],
    ]);
  });

  test('chunks that two processes embed at the same time are embedded once, and both get all vectors', async () => {
    const embedding = embedder();
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const slow = async (texts: string[]) => {
      begun.resolve();
      await release.promise;
      return embedding.embed(texts);
    };
    const first = embedChunks(cache, { name: 'e-1', embed: slow }, 'acme-docs', 'doc-17', ['one', 'three']);
    await begun.promise;
    const second = embedChunks(other, embedding, 'acme-docs', 'doc-17', ['three', 'eleven', 'one']);
    await expect.poll(() => embedding.batches).toEqual([['eleven']]);
    release.resolve();
    expect(await first).toEqual(['one', 'three'].map(vectorOf));
    expect(await second).toEqual(['three', 'eleven', 'one'].map(vectorOf));
    expect(embedding.batches).toEqual([['eleven'], ['one', 'three']]);
  });

  test('a search that began before a document changed is not cached after the change', async () => {
    const begun = Promise.withResolvers<void>();
    const found = Promise.withResolvers<{ document: string; text: string }[]>();
    const outdated = [{ document: 'doc-17', text: 'old' }];
    const search = () => {
      begun.resolve();
      return found.promise;
    };
    const before = find(other, search, 'acme-docs', 'query');
    await begun.promise;
    await documentChanged(cache, 'acme-docs', 'doc-17');
    found.resolve(outdated);
    expect(await before).toEqual(outdated);
    const current = [{ document: 'doc-17', text: 'new' }];
    expect(await find(cache, async () => current, 'acme-docs', 'query')).toEqual(current);
  });

  test('a changed document removes its embeddings and the results that contain it, and nothing else', async () => {
    const embedding = embedder();
    const names = ['doc-17', 'doc-177', 'doc-17:a', 'doc-*', `https://example.com/${'é'.repeat(300)}`];
    // Each query finds the documents at its indexes.
    const queries = ['0', '1 2', '0 3 0', '4', ''];
    const searched: string[] = [];
    const search = async (query: string) => {
      searched.push(query);
      const found = query.split(' ').flatMap((index) => names[Number(index || Number.NaN)] ?? []);
      return found.map((document) => ({ document, text: `${query} in ${document}` }));
    };
    const useAll = async (collection: string) => {
      searched.length = 0;
      embedding.batches.length = 0;
      for (const name of names) await embedChunks(cache, embedding, collection, name, [name]);
      const results = [];
      for (const query of queries) results.push(await find(cache, search, collection, query));
      return { results, embedded: embedding.batches.flat(), searched: [...searched] };
    };
    const first = await useAll('acme-docs');
    expect(first).toMatchObject({ embedded: names, searched: queries });
    await useAll('others');
    const unchanged = { results: first.results, embedded: [], searched: [] };
    expect(await useAll('acme-docs')).toEqual(unchanged);
    for (const [index, expected] of [
      ['0', '0 3 0', ''],
      ['1 2', ''],
      ['1 2', ''],
      ['0 3 0', ''],
      ['4', ''],
    ].entries()) {
      const name = names[index] as string;
      await documentChanged(cache, 'acme-docs', name);
      expect(await useAll('acme-docs'), name).toMatchObject({ embedded: [name], searched: expected });
      expect(await useAll('others')).toEqual(unchanged);
    }
    await documentChanged(cache, 'acme-docs', 'doc-1');
    expect(await useAll('acme-docs')).toMatchObject({ embedded: [], searched: [''] });
  });

  test('a result with more documents than an entry has tags is removed by every change in the collection', async () => {
    let searches = 0;
    const search = async () =>
      Array.from({ length: 17 }, (_, i) => ({ document: `doc-${i}`, text: `${searches}` })).slice(searches++);
    const findAll = () => find(cache, search, 'acme-docs', 'query');
    expect(await findAll()).toEqual(await findAll());
    expect(searches).toBe(1);
    await documentChanged(cache, 'acme-docs', 'other');
    // Sixteen have a tag each.
    for (let i = 0; i < 2; i++) expect(await findAll()).toHaveLength(16);
    await documentChanged(cache, 'acme-docs', 'other');
    await findAll();
    expect(searches).toBe(2);
    await documentChanged(cache, 'acme-docs', 'doc-16');
    await findAll();
    expect(searches).toBe(3);
  });

  test('a model is called once for concurrent requests that differ only in the order of members and in the user', async () => {
    const counting = model();
    const reordered = Object.fromEntries(Object.entries(hello).reverse()) as ModelRequest;
    const requests = [hello, hello, reordered, { ...hello, user: 'u-1' }];
    const first = await Promise.all(requests.map((request) => complete(cache, counting, request)));
    const second = await Promise.all(requests.map((request) => complete(cache, counting, request)));
    expect([...first, ...second].map(({ number }) => number)).toEqual(Array(8).fill(1));
    expect(await complete(cache, counting, { ...hello, max_tokens: 5 })).toMatchObject({ number: 2 });
  });

  test.each([{ temperature: 0.7 }, { temperature: undefined }, { stream: true }])(
    'a model is called for every request with %j, and the response is not cached',
    async (parameters) => {
      const counting = model();
      const request = { ...hello, ...parameters } as ModelRequest;
      expect(await complete(cache, counting, request)).toMatchObject({ number: 1 });
      expect(await complete(cache, counting, request)).toMatchObject({ number: 2 });
      expect(await cache.usage()).toMatchObject({ entries: 0 });
    },
  );

  test('the request to the model is aborted if its only caller aborts', async () => {
    const asked = Promise.withResolvers<AbortSignal | undefined>();
    const caller = new AbortController();
    const response = complete(
      cache,
      (_, signal) => {
        asked.resolve(signal);
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      },
      hello,
      caller.signal,
    );
    const left = expect(response).rejects.toThrow('has left');
    const signal = await asked.promise;
    caller.abort(new Error('has left'));
    await left;
    expect(signal?.aborted).toBe(true);
    expect(await complete(cache, model(), hello)).toMatchObject({ number: 1 });
  });
});

describe('the examples without a reachable cache', () => {
  test('call the models for every request if the cache is down, and fail if a removal fails', async () => {
    const errors: unknown[] = [];
    const onError = (error: unknown) => errors.push(error);
    const url = `http://127.0.0.1:${await freePort()}`;
    const cache = new CacheClient({ url, tenant: 't', retries: 0, onError });
    const support = agent();
    const embedding = embedder();
    const counting = model();
    for (const number of [1, 2]) {
      expect(await ask(cache, support, 'q')).toEqual({ text: `Answer ${number}`, complete: true });
      expect(await embedChunks(cache, embedding, 'c', 'd', ['one'])).toEqual([vectorOf('one')]);
      expect(await find(cache, async () => [], 'c', 'q')).toEqual([]);
      expect(await complete(cache, counting, hello)).toMatchObject({ number });
    }
    // While the cache is unavailable, most calls do not ask it.
    expect(errors).not.toEqual([]);
    for (const error of errors) expect(error).toBeInstanceOf(ConnectionError);
    await expect(forgetAnswers(cache, 'support', 3)).rejects.toThrow(ConnectionError);
    await expect(documentChanged(cache, 'c', 'd')).rejects.toThrow(ConnectionError);
  });

  test('call the models if the cache does not respond, unless the caller aborts', async () => {
    const service = await startService();
    const proxy = await startProxy(service.port);
    proxy.drop();
    const url = `http://127.0.0.1:${proxy.port}`;
    const cache = new CacheClient({ url, tenant: 't', timeoutMs: 50 });
    const support = agent();
    expect(await complete(cache, model(), hello)).toMatchObject({ number: 1 });
    expect(await ask(cache, support, 'q')).toMatchObject({ text: 'Answer 1' });
    const leaving = AbortSignal.abort(new Error('has left'));
    await expect(ask(cache, support, 'q', leaving)).rejects.toThrow('has left');
    await expect(embedChunks(cache, embedder(), 'c', 'd', ['one'], leaving)).rejects.toThrow('has left');
    expect(support.questions).toHaveLength(1);
    await proxy.stop();
    await service.stop();
  });
});
