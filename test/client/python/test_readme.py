"""The listings of the README run as they are, on the service, with stand-ins for models and for the interfaces of other packages."""

import asyncio
import contextlib
import io
import os
import re
import sys
import types
import unittest
from unittest import mock

import cache_service.settings
from support import PATIENCE, URL, Case, new_tenant

README = os.path.join(os.path.dirname(cache_service.__file__), '..', 'README.md')


def listings():
    """The listings by the heading or the bold words before them."""
    with open(README, encoding='utf-8') as file:
        text = file.read()
    found = {}
    for match in re.finditer(r'```python\n(.*?)```', text, re.DOTALL):
        before = re.findall(r'^#+ (.*)$|\*\*(\w[\w ]*)\*\*', text[: match.start()], re.MULTILINE)
        heading, bold = before[-1]
        found[heading or bold] = match[1]
    return found


class ReadmeCase(Case):
    def setUp(self):
        self.tenant = new_tenant()
        # A busy machine may take longer than a second to look a key up.
        self.enterContext(mock.patch.object(cache_service.settings, 'FILL_TIMEOUT', PATIENCE))

    def enterContext(self, context):  # New in Python 3.11.
        value = context.__enter__()
        self.addCleanup(context.__exit__, None, None, None)
        return value

    def run_listing(self, name, **given):
        listing = listings()[name].replace('http://localhost:8080', URL).replace('tenant_123', self.tenant)
        exec(compile(listing, f'README.md: {name}', 'exec'), given)
        return given


class Listings(ReadmeCase):
    def quick_start(self):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            names = self.run_listing('cache-service for Python', ask_model=lambda question: f'answer to {question}')
        return names, printed.getvalue()

    def test_the_first_listing_prints_what_it_says(self):
        names, printed = self.quick_start()
        expected = re.search(r'print\(.*#\s(.*)', listings()['cache-service for Python'])[1]
        self.assertEqual(printed, f'{expected}\n')
        self.assertEqual(names['answer'], 'answer to Why?')
        self.assertFalse(names['cache'].get('user:123').found)
        names['cache'].close()

    def test_the_agent_is_asked_once(self):
        cache = self.quick_start()[0]['cache']
        asked = []
        names = self.run_listing('agent', cache=cache, agent=lambda question: asked.append(question) or 'because')
        self.assertEqual([names['ask']('why?'), names['ask']('why?')], ['because', 'because'])
        self.assertEqual(asked, ['why?'])
        cache.close()

    def test_a_changed_document_removes_results_and_embeddings(self):
        cache = self.quick_start()[0]['cache']
        searched, embedded = [], []
        names = self.run_listing(
            'Retrieval',
            cache=cache,
            search=lambda query: searched.append(query) or [{'document': 'd1', 'text': query}],
            embed=lambda texts: embedded.append(texts) or [[len(text)] for text in texts],
        )
        for _ in range(2):
            names['find']('q')
            self.assertEqual(names['embed_chunks']('d1', ['a', 'bb']), [[1], [2]])
        self.assertEqual((searched, embedded), (['q'], [['a', 'bb']]))
        names['document_changed']('d1')
        names['find']('q')
        names['embed_chunks']('d1', ['a', 'bb'])
        self.assertEqual((searched, embedded), (['q'] * 2, [['a', 'bb']] * 2))
        cache.close()

    def test_the_model_is_called_once(self):
        called = []

        async def model(request):
            called.append(request)
            return {'content': 'hello'}

        async def use():
            names = self.run_listing('model gateway', model=model, sha256=__import__('hashlib').sha256)
            responses = await asyncio.gather(*(names['complete']({'temperature': 0}) for _ in range(5)))
            await names['gateway'].aclose()
            return responses

        self.assertEqual(asyncio.run(use()), [{'content': 'hello'}] * 5)
        self.assertEqual(called, [{'temperature': 0}])

    def test_the_listing_of_docs_leases_produces_once(self):
        with open(os.path.join(os.path.dirname(README), '..', '..', '..', 'docs', 'leases.md'), encoding='utf-8') as file:
            listing = re.search(r'```python\n(.*?)```', file.read(), re.DOTALL)[1]
        cache = self.quick_start()[0]['cache']
        cache.clear()
        asked = []
        for _ in range(2):
            given = {'cache': cache, 'question': 'why?', 'ask_model': lambda question: asked.append(question) or 'because'}
            exec(listing, given)
            self.assertEqual(given['answer'], 'because')
        self.assertEqual(asked, ['why?'])
        cache.close()

    def test_the_listing_of_authorization_creates_clients(self):
        credentials = types.SimpleNamespace(get_frozen_credentials=lambda: None)
        session = types.SimpleNamespace(get_credentials=lambda: credentials)
        boto3 = types.SimpleNamespace(Session=lambda: session)
        self.run_listing('Options', url=URL, boto3=boto3, Cache=cache_service.Cache, current_token=lambda: 't')

    def test_the_adapters_have_at_most_thirty_lines(self):
        for name in ('LangChain', 'LiteLLM'):
            self.assertLessEqual(len(listings()[name].splitlines()), 30)


class Generation:
    """Stands in for langchain_core's class of this name."""

    def __init__(self, text):
        self.text = text

    def __eq__(self, other):
        return self.text == other.text


def langchain_core():
    """The parts of langchain_core that the adapter uses: `BaseCache` with its abstract methods, and `dumps` and `loads` of an object."""
    from abc import ABC, abstractmethod

    class BaseCache(ABC):
        @abstractmethod
        def lookup(self, prompt, llm_string):
            """Returns a sequence of Generations, or None for a miss."""

        @abstractmethod
        def update(self, prompt, llm_string, return_val): ...

        @abstractmethod
        def clear(self, **kwargs): ...

    return {
        'langchain_core': types.ModuleType('langchain_core'),
        'langchain_core.caches': module('langchain_core.caches', BaseCache=BaseCache),
        'langchain_core.load': module(
            'langchain_core.load', dumps=lambda each: f'lc:{each.text}', loads=lambda text: Generation(text[3:])
        ),
    }


def litellm():
    """The parts of litellm that the adapter uses: `BaseCache` with its abstract method and its TTL."""
    from abc import ABC, abstractmethod

    class BaseCache(ABC):
        def __init__(self, default_ttl=60):
            self.default_ttl = default_ttl

        def get_ttl(self, **kwargs):
            ttl = kwargs.get('ttl')
            return self.default_ttl if ttl is None else int(ttl)

        @abstractmethod
        async def async_set_cache_pipeline(self, cache_list, **kwargs): ...

    return {
        'litellm': types.ModuleType('litellm'),
        'litellm.caching': types.ModuleType('litellm.caching'),
        'litellm.caching.base_cache': module('litellm.caching.base_cache', BaseCache=BaseCache),
    }


def module(name, **members):
    created = types.ModuleType(name)
    created.__dict__.update(members)
    return created


class Adapters(ReadmeCase):
    def adapter(self, name, class_name, modules, url=URL):
        self.enterContext(mock.patch.dict(sys.modules, modules))
        return self.run_listing(name)[class_name](url, self.tenant)

    def test_langchain_finds_generations_by_prompt_and_model(self):
        cache = self.adapter('LangChain', 'LangChainCache', langchain_core())
        generations = [Generation('one'), Generation('two')]
        self.assertIsNone(cache.lookup('prompt', 'model'))
        cache.update('prompt', 'model', generations)
        self.assertEqual(cache.lookup('prompt', 'model'), generations)
        self.assertIsNone(cache.lookup('prompt', 'other'))
        cache.clear()
        self.assertIsNone(cache.lookup('prompt', 'model'))

        async def use():
            self.assertIsNone(await cache.alookup('prompt', 'model'))
            await cache.aupdate('prompt', 'model', tuple(generations))
            self.assertEqual(await cache.alookup('prompt', 'model'), generations)
            await cache.aclear()
            self.assertIsNone(await cache.alookup('prompt', 'model'))
            await cache.aio.aclose()

        asyncio.run(use())
        cache.sync.close()

    def test_langchain_takes_a_cache_that_is_down_for_a_miss(self):
        server = self.script(b'')
        server.close()
        cache = self.adapter('LangChain', 'LangChainCache', langchain_core(), server.url)
        cache.update('prompt', 'model', [Generation('one')])
        self.assertIsNone(cache.lookup('prompt', 'model'))

    def test_litellm_gets_and_sets_by_key_and_ttl(self):
        cache = self.adapter('LiteLLM', 'LiteLLMCache', litellm())
        entry = {'timestamp': 1.5, 'response': '{"id":"1"}'}
        self.assertIsNone(cache.get_cache('k', messages=[]))
        cache.set_cache('k', entry, ttl=60.0, messages=[])
        self.assertEqual(cache.get_cache('k'), entry)
        self.assertLessEqual(cache.sync.get('k').ttl, 60)

        async def use():
            await cache.async_set_cache('l', entry, messages=[])
            await cache.async_set_cache_pipeline([('m', 1), ('n', 2)], ttl=60)
            await cache.async_set_cache_pipeline([])
            values = [await cache.async_get_cache(key) for key in 'lmnx']
            await cache.disconnect()
            return values

        self.assertEqual(asyncio.run(use()), [entry, 1, 2, None])
        self.assertGreater(cache.sync.get('l').ttl, 80_000)
        cache.sync.close()
