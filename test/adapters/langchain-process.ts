/** A process that asks a model that can only give one answer, and prints the answer that it got. */
import { FakeListChatModel } from '@langchain/core/utils/testing';
import { LangChainCache } from '../../lib/client/adapters/langchain.ts';
import { CacheClient } from '../../lib/client/index.ts';

const [url = '', tenant = '', answer = ''] = process.argv.slice(2);
const cache = new LangChainCache(new CacheClient({ url, tenant, timeoutMs: 20_000 }));
const model = new FakeListChatModel({ responses: [answer], cache });
const { text } = await model.invoke('why?');
console.log(text);
