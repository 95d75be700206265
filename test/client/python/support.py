"""What the tests share: patient clients of the service at CACHE_URL, and a server that fails on purpose."""

import asyncio
import contextlib
import json
import os
import queue
import socket
import struct
import threading
import unittest
import uuid

from cache_service import AsyncCache, Cache

URL = os.environ['CACHE_URL']

PATIENCE = 60
"""Seconds that a healthy service, a thread or a process may take on a busy machine."""

LONG = {'lease': 300}
"""A lease that no test outlives: a caller that gets it has not waited for its end."""


def new_tenant():
    return f'python-{uuid.uuid4()}'


class PatientCache(Cache):
    """Its `get_or_set` waits for a healthy service on a busy machine."""

    def get_or_set(self, key, ttl, produce, **options):
        return super().get_or_set(key, ttl, produce, **{'timeout': PATIENCE, **options})

    def get_or_set_many(self, keys, ttl, produce_missing, **options):
        return super().get_or_set_many(keys, ttl, produce_missing, **{'timeout': PATIENCE, **options})


class PatientAsyncCache(AsyncCache):
    async def get_or_set(self, key, ttl, produce, **options):
        return await super().get_or_set(key, ttl, produce, **{'timeout': PATIENCE, **options})

    async def get_or_set_many(self, keys, ttl, produce_missing, **options):
        return await super().get_or_set_many(keys, ttl, produce_missing, **{'timeout': PATIENCE, **options})


class BlockingAsyncCache:
    """An `AsyncCache` with the methods of `Cache`, so that one test covers both. Its event loop runs in a thread."""

    def __init__(self, *args, cache=None, loop=None, **options):
        self.cache = cache or PatientAsyncCache(*args, **options)
        self.loop = loop or asyncio.new_event_loop()
        if loop is None:
            self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
            self.thread.start()

    @property
    def tenant(self):
        return self.cache.tenant

    def for_tenant(self, tenant):
        return BlockingAsyncCache(cache=self.cache.for_tenant(tenant), loop=self.loop)

    def keys(self, **options):
        keys = self.cache.keys(**options)
        with contextlib.suppress(StopAsyncIteration):
            while True:
                yield self.wait_for(keys.__anext__())

    def close(self):
        self.wait_for(self.cache.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def wait_for(self, awaitable):
        async def wait():
            return await awaitable

        return asyncio.run_coroutine_threadsafe(wait(), self.loop).result(PATIENCE)

    def __getattr__(self, name):
        method = getattr(self.cache, name)
        return lambda *args, **options: self.wait_for(method(*args, **options))


class Case(unittest.TestCase):
    make = PatientCache

    def start(self, url=URL, tenant=None, **options):
        """A client that is closed at the end of the test. `self.reported` has what its `get_or_set` got over."""
        self.reported = []
        options = {
            'timeout': PATIENCE,
            'on_error': lambda error, about: self.reported.append((getattr(error, 'code', error), about.operation, about.keys)),
            **options,
        }
        cache = self.make(url, tenant or new_tenant(), **options)
        self.addCleanup(cache.close)
        return cache

    def script(self, *moves, tls=None):
        server = Scripted(moves, tls)
        self.addCleanup(server.close)
        return server

    def run_threads(self, *works):
        """Runs works at the same time, and returns their results, or the errors that they raise."""
        results = [None] * len(works)

        def run(index, work):
            try:
                results[index] = work()
            except Exception as error:
                results[index] = error

        threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
            self.assertFalse(thread.is_alive(), 'a thread hangs')
        return results


class Both:
    """A test class for each client, of the tests in a class: `Sync, Async = Both.of(Tests)`."""

    @staticmethod
    def of(tests):
        return (
            type(f'Cache{tests.__name__}', (tests, Case), {'make': PatientCache}),
            type(f'AsyncCache{tests.__name__}', (tests, Case), {'make': BlockingAsyncCache}),
        )


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Scripted:
    """With `tls`, a context, it speaks TLS.

    Each request gets the next move, and the last move stays. A move is the bytes of a response, or a function that receives the request
    and the socket; `close`, `hang` and `reset` are such functions."""

    def __init__(self, moves, tls=None):
        self.moves, self.tls = moves, tls
        self.requests = []
        self.arrived = queue.Queue()
        self.connections = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.listener = socket.create_server(('127.0.0.1', 0), backlog=200)
        self.url = f'http{"s" if tls else ""}://localhost:{self.listener.getsockname()[1]}'
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.released.set()
        # Wakes the thread that accepts connections.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        if self.tls:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        with connection, contextlib.suppress(OSError), connection.makefile('rb') as reader:
            while True:
                request = read_request(reader)
                if request is None:
                    return
                with self.lock:
                    self.requests.append(request)
                    move = self.moves[min(len(self.requests), len(self.moves)) - 1]
                self.arrived.put(request)
                if callable(move):
                    move = move(self, connection)
                if move is None:
                    return
                connection.sendall(move)


def read_request(reader):
    line = reader.readline().decode()
    if not line:
        return None
    method, target, _ = line.split()
    headers = {}
    for line in iter(lambda: reader.readline().decode('latin-1').strip(), ''):
        name, _, value = line.partition(': ')
        headers[name] = value
    return Request(method, target, headers, reader.read(int(headers.get('content-length', 0))))


def hang(server, connection):
    server.released.wait(PATIENCE)


def close(server, connection):
    """Closes the connection without a response."""


def reset(server, connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))


def reply(status, body=b'', headers=()):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f'HTTP/1.1 {status} Status', f'content-length: {len(body)}', *headers]
    return '\r\n'.join(lines).encode() + b'\r\n\r\n' + body


def data(members, status=200, headers=()):
    return reply(status, {'success': True, 'data': members}, headers)


def failure(status, code, details=None, headers=()):
    error = {'code': code, 'message': code, 'details': details or {}}
    envelope = {'success': False, 'error': error, 'correlation_id': 'c-1', 'request_id': 'r-1'}
    return reply(status, envelope, headers)


MISS = data({'key': 'k', 'found': False})
HIT = data({'key': 'k', 'found': True, 'value': 'hit', 'ttl': 60})
GRANTED = data({'key': 'k', 'found': False, 'lease': {'token': 'T0KEN_-1234', 'ttl': 60}})
HELD = data({'key': 'k', 'found': False, 'retry_after_ms': 100})
WAS_SET = data({'key': 'k', 'status': 'set', 'ttl': 60}, 201)
RELEASED = b'HTTP/1.1 204 No Content\r\n\r\n'
UNAVAILABLE = failure(503, 'BACKEND_UNAVAILABLE')
NO_ROUTE = failure(404, 'NOT_FOUND')
