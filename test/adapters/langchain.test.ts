import { AIMessage } from '@langchain/core/messages';
import type { ChatGeneration } from '@langchain/core/outputs';
import { FakeListChatModel, FakeLLM } from '@langchain/core/utils/testing';
import { describe, expect, test } from 'vitest';
import { LangChainCache, type LangChainCacheOptions } from '../../lib/client/adapters/langchain.ts';
import { run } from '../client/packed.ts';
import { leftOf } from '../conformance/backends.ts';
import { describeWithCaches, unreachableCache } from './caches.ts';

const SCRIPT = new URL('langchain-process.ts', import.meta.url).pathname;

describeWithCaches('LangChainCache', (open, url) => {
  test('answers the same prompt of a chat model from the cache', async () => {
    const cache = new LangChainCache(open());
    const model = new FakeListChatModel({ responses: ['first', 'second', 'third'], cache });
    expect((await model.invoke('why?')).text).toBe('first');
    const hit = await model.invoke('why?');
    expect(hit).toBeInstanceOf(AIMessage);
    expect(hit.text).toBe('first');
    expect((await model.invoke('another?')).text).toBe('second');
  });

  test('answers the same prompt of a model without messages from the cache', async () => {
    const cache = new LangChainCache(open());
    const ask = (response: string, prompt: string) => new FakeLLM({ response, cache }).invoke(prompt);
    expect(await ask('first', 'why?')).toBe('first');
    expect(await ask('second', 'why?')).toBe('first');
    expect(await ask('second', 'another?')).toBe('second');
  });

  test('answers a prompt that another process has asked', async () => {
    const cache = open();
    const ask = (answer: string) => run(process.execPath, [SCRIPT, url(), cache.tenant, answer]);
    expect((await ask('first')).stdout).toBe('first\n');
    expect((await ask('second')).stdout).toBe('first\n');
  });

  test('keeps tool calls, metadata and generation info, for each settings of the model apart', async () => {
    const cache = new LangChainCache(open());
    const message = new AIMessage({
      content: [{ type: 'text', text: 'because' }],
      tool_calls: [{ id: 'call_1', name: 'search', args: { q: 'a\nb' } }],
      usage_metadata: { input_tokens: 1, output_tokens: 2, total_tokens: 3 },
      response_metadata: { model: 'm' },
    });
    const generation: ChatGeneration = { text: 'because', message, generationInfo: { finish: 'stop' } };
    await cache.update('prompt', 'temperature:0', [generation]);
    const [found] = ((await cache.lookup('prompt', 'temperature:0')) ?? []) as ChatGeneration[];
    expect(found).toMatchObject({ text: 'because', generationInfo: { finish: 'stop' } });
    expect(found?.message).toEqual(message);
    expect(await cache.lookup('prompt', 'temperature:1')).toBeNull();
  });

  test('sets entries with the prefix, TTL and tags of its options', async () => {
    const client = open();
    const cache = new LangChainCache(client, { prefix: 'v2:', ttl: 5000, tags: ['prompt:7'] });
    await cache.update('prompt', 'llm', [{ text: 'because' }]);
    const listed = await client.keys({ tag: 'prompt:7' }).next();
    expect(listed.value).toMatchObject({
      key: expect.stringMatching(/^v2:[0-9a-f]{64}$/),
      ttl: leftOf(5000),
    });
  });

  test('accepts a key encoder whose keys are too long for the service', async () => {
    const cache = new LangChainCache(open());
    cache.makeDefaultKeyEncoder((...parts) => parts.join('\n'));
    const prompt = 'x'.repeat(5000);
    await cache.update(prompt, 'llm', [{ text: 'because' }]);
    expect(await cache.lookup(prompt, 'llm')).toEqual([{ text: 'because' }]);
    expect(await cache.lookup(`${prompt}x`, 'llm')).toBeNull();
  });
});

describe('LangChainCache whose service cannot be reached', () => {
  test('lets the model answer, and reports both failures', async () => {
    const reported: string[] = [];
    const onError: LangChainCacheOptions['onError'] = (_, operation) => reported.push(operation);
    const cache = new LangChainCache(unreachableCache(), { onError });
    const model = new FakeListChatModel({ responses: ['first', 'second'], cache });
    expect((await model.invoke('why?')).text).toBe('first');
    expect((await model.invoke('why?')).text).toBe('second');
    expect(reported).toEqual(['get', 'set', 'get', 'set']);
  });
});
