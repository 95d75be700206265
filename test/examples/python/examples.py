"""The three uses from Python: an agent's answers, embeddings and search results, and a model's responses.

`python3 examples.py` runs them against the service at `CACHE_URL`, with stand-ins for the models that print what they are
asked. The second time it prints less. `CACHE_TIMEOUT` is in seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from typing import Any, Callable
from urllib.parse import quote

from cache import Cache, CacheError, attempt

HOUR = 3600
DAY = 24 * HOUR


def ask(cache: Cache, agent: Callable[[str], dict], prompt_version: int, question: str) -> dict:
    """An agent's answer. A new version of its prompt starts with nothing cached."""
    key = f'agent:support:v{prompt_version}:{digest(" ".join(question.split()))}'
    answer = attempt(lambda: cache.get(key), None)
    if answer is None:
        answer = agent(question)
        # One that is not complete is good enough for who asked, and not for those who ask next.
        if answer['complete']:
            attempt(lambda: cache.set(key, answer, HOUR), None)
    return answer


def find(cache: Cache, search: Callable[[str], list], query: str) -> list:
    """What a search finds. A short time to live, since one that began before a change may be cached after it."""
    return cache.get_or_set(f'rag-results:acme-docs:{digest(query)}', 300, lambda: search(query))


Embed = Callable[[list[str]], list[list[float]]]


def embed_chunks(cache: Cache, embed: Embed, document: str, chunks: list[str]) -> list[list[float]]:
    """The embeddings of a document's chunks. The model is asked for those that are not cached, all at once."""
    texts = {embedding_key(document, chunk): chunk for chunk in chunks}
    vectors = attempt(lambda: cache.get_many(texts), {})
    missing = [key for key in texts if key not in vectors]
    if missing:
        made = dict(zip(missing, embed([texts[key] for key in missing])))
        attempt(lambda: cache.set_many(made, 30 * DAY), None)
        vectors.update(made)
    return [vectors[embedding_key(document, chunk)] for chunk in chunks]


def document_changed(cache: Cache, document: str) -> None:
    """Raises `CacheError` when something of it may still be cached: try again."""
    cache.invalidate(f'rag:acme-docs:{part(document)}:*')
    cache.invalidate('rag-results:acme-docs:*')


def complete(cache: Cache, model: Callable[[dict], dict], request: dict) -> dict:
    """A model's response. Only what is answered the same each time is cached, and no stream: it is whole only at its end."""
    if request.get('temperature') != 0 or request.get('stream'):
        return model(request)
    key = f'llm:{request["model"]}:{digest(json.dumps(request, sort_keys=True))}'
    return cache.get_or_set(key, DAY, lambda: model(request))


def embedding_key(document: str, chunk: str) -> str:
    return f'rag:acme-docs:{part(document)}:{digest(chunk)}'


def part(name: str) -> str:
    """A name with nothing in it that separates the parts of a key or that patterns take for a wildcard."""
    return quote(name, safe='')


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def main() -> None:
    url, tenant = os.environ.get('CACHE_URL', 'http://localhost:8080'), os.environ.get('CACHE_TENANT', 'tenant_123')
    cache = Cache(url, tenant, timeout=float(os.environ.get('CACHE_TIMEOUT', 2)))

    def asked(what: str, question: Any, answer: Any) -> Any:
        print(f'{what}: {question}')
        return answer

    def agent(question: str) -> dict:
        return asked('agent', question, {'text': 'Within 30 days.', 'complete': True})

    def search(query: str) -> list:
        return asked('search', query, [{'document': 'doc-17', 'text': 'one'}])

    def embed(texts: list) -> list:
        return asked('embed', ', '.join(texts), [[0.25, len(text) / 3] for text in texts])

    def model(request: dict) -> dict:
        return asked('model', request['messages'][0]['content'], {'content': 'Hello.'})

    for question in 'Can I send it back?', ' Can I  send it back? ':
        ask(cache, agent, 3, question)
    ask(cache, agent, 4, 'Can I send it back?')
    for chunks in ['one', 'two'], ['one', 'two', 'three']:
        find(cache, search, 'one')
        embed_chunks(cache, embed, 'doc-17', chunks)
    hello = {'model': 'm-1', 'messages': [{'role': 'user', 'content': 'Say hello.'}], 'temperature': 0}
    for request in hello, dict(reversed(hello.items())):
        complete(cache, model, request)
    try:
        document_changed(cache, 'doc-17')
    except CacheError as error:
        sys.exit(f'doc-17 may still be cached: {error}')
    embed_chunks(cache, embed, 'doc-17', ['one', 'two'])


if __name__ == '__main__':
    main()
