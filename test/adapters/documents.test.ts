import { FakeListChatModel } from '@langchain/core/utils/testing';
import { wrapLanguageModel } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { createCache } from 'cache-manager';
import Keyv from 'keyv';
import { createStorage } from 'unstorage';
import { describe, expect, test } from 'vitest';
import { cacheMiddleware } from '../../lib/client/adapters/ai.ts';
import { keyvStore } from '../../lib/client/adapters/keyv.ts';
import { LangChainCache } from '../../lib/client/adapters/langchain.ts';
import { cacheServiceDriver } from '../../lib/client/adapters/unstorage.ts';
import { read, tableRows } from '../support/markdown.ts';
import { describeWithCaches } from './caches.ts';

const text = read('docs/clients.md');
const rows = tableRows(text, 'you use', 'import', 'write this line');
const codeIn = (cell = '') => /^`(.*)`$/.exec(cell)?.[1];

/** What the lines take for given, besides `cache`. */
const root = createStorage();
const given = {
  Keyv,
  askModel: async (question: string) => `answer to ${question}`,
  cacheMiddleware,
  cacheServiceDriver,
  ChatOpenAI: class extends FakeListChatModel {
    constructor(options: object) {
      super({ responses: ['first', 'second'], ...options });
    }
  },
  createCache,
  createStorage,
  keyvStore,
  LangChainCache,
  model: new MockLanguageModelV4({
    doGenerate: async () => ({
      content: [],
      finishReason: { unified: 'stop', raw: undefined },
      usage: {
        inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
        outputTokens: { total: 1, text: 1, reasoning: 0 },
      },
      warnings: [],
    }),
  }),
  useStorage: () => root,
  wrapLanguageModel,
};

/** For each line: what uses its result, so that the tenant has an entry. */
const USES: Record<string, string> = {
  answer: 'answer',
  keyv: "await keyv.set('k', 1)",
  manager: "await manager.set('k', 1)",
  storage: "await storage.setItem('k', 1)",
  useStorage: "await useStorage().setItem('cache:k', 1)",
  chat: "await chat.invoke('why?')",
  cached: 'await cached.doGenerate({ prompt: [] })',
};

describeWithCaches('docs/clients.md', (open) => {
  const lines = rows.flatMap(([library = '', , line]) => {
    const code = codeIn(line);
    return code === undefined ? [] : [[library, code] as const];
  });

  test.each(lines)('has a line for %s that uses the service', async (_, line) => {
    const cache = open();
    const name = /^(?:const )?(\w+)/.exec(line)?.[1] ?? '';
    const AsyncFunction = (async () => {}).constructor as FunctionConstructor;
    const names = [...Object.keys(given), 'cache'];
    await new AsyncFunction(...names, `${line}\n${USES[name]};`)(...Object.values(given), cache);
    expect((await cache.usage()).entries).toBe(1);
    if (name === 'useStorage') await root.unmount('cache');
  });

  test('has a line for each use', () => {
    expect(lines).toHaveLength(Object.keys(USES).length);
  });
});

describe('docs/clients.md', () => {
  test('has an import for each adapter', () => {
    const imported = rows.flatMap(([, cell]) => /'cache-service\/(\w+)'/.exec(cell ?? '')?.[1] ?? []);
    expect([...new Set(imported)].sort()).toEqual(['ai', 'keyv', 'langchain', 'unstorage']);
  });
});

describeWithCaches('cache-manager with keyvStore', (open) => {
  const start = () => createCache({ stores: [new Keyv({ store: keyvStore(open()) })] });

  test('sets, gets, deletes and clears', async () => {
    const manager = start();
    await manager.mset([
      { key: 'a', value: 1 },
      { key: 'b', value: 2, ttl: 60_000 },
    ]);
    expect(await manager.mget(['a', 'absent', 'b'])).toEqual([1, undefined, 2]);
    await manager.del('a');
    expect(await manager.get('a')).toBeUndefined();
    await manager.clear();
    expect(await manager.get('b')).toBeUndefined();
  });

  test('wrap calls its function once', async () => {
    const manager = start();
    let calls = 0;
    const produce = async () => ({ call: ++calls });
    expect(await manager.wrap('k', produce, 60_000)).toEqual({ call: 1 });
    expect(await manager.wrap('k', produce, 60_000)).toEqual({ call: 1 });
  });
});
