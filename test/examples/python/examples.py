"""The three uses from Python: an agent's answers, embeddings and search results, and a model's responses.

`python3 examples.py` runs them against the service at `CACHE_URL`, with stand-ins for the models that print what they are asked. The second
time it prints less. Install the client with `pip install ./lib/client/python`, or set `PYTHONPATH=lib/client/python`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from typing import Any, Awaitable, Callable, Dict, List
from urllib.parse import quote

from cache_service import AsyncCache, Cache, CacheError

HOUR = 3600
DAY = 24 * HOUR

MAX_TAGS = 16
"""The service's limit."""


class IncompleteAnswer(Exception):
    """Raised by a producer, so that its answer is not cached."""


def ask(cache: Cache, agent: Callable[[str], Dict[str, Any]], prompt_version: int, question: str) -> Dict[str, Any]:
    """Returns an agent's answer. An incomplete one is returned and not cached. A new version of the prompt starts without cached answers.

    If the agent fails, an answer that is at most a day older than its TTL is returned.
    """

    def produce() -> Dict[str, Any]:
        answer = agent(question)
        if not answer['complete']:
            raise IncompleteAnswer(answer)
        return answer

    key = f'agent:support:v{prompt_version}:{digest(" ".join(question.split()))}'
    try:
        return cache.get_or_set(key, HOUR, produce, grace=DAY, lease=60)
    except IncompleteAnswer as incomplete:
        answer: Dict[str, Any] = incomplete.args[0]
        return answer


def find(cache: Cache, search: Callable[[str], List[Dict[str, str]]], query: str) -> List[Dict[str, str]]:
    """Returns what a search finds, unless a document has changed since it was cached, or while it was searched."""

    def tags_of(passages: List[Dict[str, str]], _: str) -> List[str]:
        documents = {passage['document'] for passage in passages}
        # A result with too many documents for tags, or with none, is removed by every change in the collection.
        return [document_tag(each) for each in documents] if 0 < len(documents) <= MAX_TAGS else ['rag:acme-docs']

    key = f'rag-results:acme-docs:{digest(query)}'
    return cache.get_or_set(key, HOUR, lambda: search(query), grace=DAY, tags=['rag:acme-docs'], tags_of=tags_of)


Embed = Callable[[List[str]], List[List[float]]]


def embed_chunks(cache: Cache, embed: Embed, document: str, chunks: List[str]) -> List[List[float]]:
    """Returns the embeddings of a document's chunks, in order. The model is called once, for those that are not cached."""
    texts = {f'{document_tag(document)}:{digest(chunk)}': chunk for chunk in chunks}
    keys = [f'{document_tag(document)}:{digest(chunk)}' for chunk in chunks]
    return cache.get_or_set_many(
        keys, 30 * DAY, lambda missing: embed([texts[key] for key in missing]), tags=[document_tag(document)]
    )


def document_changed(cache: Cache, document: str) -> None:
    """Removes what was made from a document. Call it when searches find the new version. Raises CacheError: try again."""
    cache.invalidate_tags([document_tag(document), 'rag:acme-docs'])


async def complete(
    cache: AsyncCache, model: Callable[[Dict[str, Any]], Awaitable[Dict[str, Any]]], request: Dict[str, Any]
) -> Dict[str, Any]:
    """Returns a model's response. Concurrent requests share one call to the model.

    Only requests with temperature 0 are cached, because their response can be used again, and no streams, which are complete only at their
    end.
    """
    if request.get('temperature') != 0 or request.get('stream'):
        return await model(request)
    key = f'llm:{request["model"]}:{digest(json.dumps(request, sort_keys=True))}'
    return await cache.get_or_set(key, DAY, lambda: model(request), grace=7 * DAY, lease=60)


def document_tag(document: str) -> str:
    """Without a character that separates the parts of a key."""
    return f'rag:acme-docs:{quote(document, safe="")}'


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    url, tenant = os.environ.get('CACHE_URL', 'http://localhost:8080'), os.environ.get('CACHE_TENANT', 'tenant_123')

    def asked(what: str, question: Any, answer: Any) -> Any:
        print(f'{what}: {question}')
        return answer

    def agent(question: str) -> Dict[str, Any]:
        return asked('agent', question, {'text': 'Within 30 days.', 'complete': True})

    def search(query: str) -> List[Dict[str, str]]:
        return asked('search', query, [{'document': 'doc-17', 'text': 'one'}])

    def embed(texts: List[str]) -> List[List[float]]:
        return asked('embed', ', '.join(texts), [[0.25, len(text) / 3] for text in texts])

    async def model(request: Dict[str, Any]) -> Dict[str, Any]:
        return asked('model', request['messages'][0]['content'], {'content': 'Hello.'})

    async def gateway() -> None:
        hello = {'model': 'm-1', 'messages': [{'role': 'user', 'content': 'Say hello.'}], 'temperature': 0}
        async with AsyncCache(url, tenant) as cache:
            for request in hello, dict(reversed(list(hello.items()))):
                await complete(cache, model, request)

    with Cache(url, tenant) as cache:
        for question in 'Can I send it back?', ' Can I  send it back? ':
            ask(cache, agent, 3, question)
        ask(cache, agent, 4, 'Can I send it back?')
        for chunks in ['one', 'two'], ['one', 'two', 'three']:
            find(cache, search, 'one')
            embed_chunks(cache, embed, 'doc-17', chunks)
        asyncio.run(gateway())
        try:
            document_changed(cache, 'doc-17')
        except CacheError as error:
            sys.exit(f'doc-17 may still be cached: {error.code}: {error}')
        embed_chunks(cache, embed, 'doc-17', ['one', 'two'])


if __name__ == '__main__':
    main()
