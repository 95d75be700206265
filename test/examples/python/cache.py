"""A client of the cache service in nothing but Python's standard library, for Python 3.9 and later.

    cache = Cache('http://localhost:8080', 'tenant_123')
    cache.set('user:123', {'name': 'John'}, ttl=3600)
    cache.get('user:123')  # {'name': 'John'}
"""

from __future__ import annotations

import copyreg
import http.client
import json
import logging
import os
import threading
import time
from typing import Any, Callable, Iterable, Iterator, Mapping
from urllib.parse import quote, urlsplit

log = logging.getLogger(__name__)

API = '/api/v1/cache'

# The most keys or items that the service takes in a batch.
MOST_ITEMS = 100

# Seconds for which the service itself works on an invalidation, at most.
REMOVAL_TIMEOUT = 30.0

# Seconds after which an idle connection may be gone.
MOST_IDLE = 30.0

MISSING = object()


class CacheError(Exception):
    """A call that failed.

    `code` tells how: as the service says it (`VALIDATION_ERROR`, `BACKEND_UNAVAILABLE` ...), `HTTP_` and the status
    for an answer of something in front of the service, `CONNECTION_FAILED` where no answer came, `KEY_MISMATCH` for
    an answer to another request. `correlation_id` finds the request in the service's log.
    """

    def __init__(self, code: str, message: str, status: int | None = None, details: dict | None = None,
                 correlation_id: str | None = None):
        super().__init__(f'{code}: {message}')
        self.code, self.status, self.details = code, status, details or {}
        self.correlation_id = correlation_id

    def __reduce__(self):
        # Pickle would call `__init__` with `args`, which is the whole text, and knows no parameters of a subclass.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__


class Cache:
    """A tenant's cache. Threads and forked processes may share one: each has a connection of its own, which is kept open.

    Values are whatever `json.dumps` takes; numbers of any length keep all their digits. All methods but `get_or_set`
    raise `CacheError`; values that JSON cannot carry are a `TypeError` or a `ValueError`.
    """

    def __init__(self, url: str, tenant: str, *, timeout: float = 2.0, headers: Mapping[str, str] | None = None):
        """`timeout`: seconds for connecting, and for each wait for the answer to go on.
        `headers`: sent with every request, such as `Authorization`."""
        parts = urlsplit(url)
        if parts.scheme not in ('http', 'https') or parts.hostname is None:
            raise ValueError('url must be http: or https:')
        self._connect = http.client.HTTPSConnection if parts.scheme == 'https' else http.client.HTTPConnection
        self._host, self._port, self._base = parts.hostname, parts.port, parts.path.rstrip('/')
        self._timeout = timeout
        self._tenant = tenant
        self._headers = {**(headers or {}), 'X-Tenant-ID': tenant}
        self._local = threading.local()

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a key, which may be None; `default` where there is none."""
        data = self._call('GET', API + _by_key(key), keys=[key])
        return data['value'] if data['found'] else default

    def set(self, key: str, value: Any, ttl: int | None = None) -> int:
        """Returns for how many seconds it is kept: 300 unless `ttl` says otherwise."""
        return self._call('POST', API, {'key': key, 'value': value, 'ttl': ttl}, keys=[key], again=False)['ttl']

    def delete(self, key: str) -> None:
        self._call('DELETE', API + _by_key(key))

    def get_many(self, keys: Iterable[str]) -> dict[str, Any]:
        """Those that are there, of any number of keys."""
        batches = self._batches('/batch/get', 'keys', keys, lambda key: key)
        return {item['key']: item['value'] for data in batches for item in data['items'] if item['found']}

    def set_many(self, values: Mapping[str, Any], ttl: int | None = None) -> None:
        """Any number of values by key. When it raises, some of them may have been set."""
        items = [{'key': key, 'value': value, 'ttl': ttl} for key, value in values.items()]
        for _ in self._batches('/batch/set', 'items', items, lambda item: item['key'], again=False):
            pass

    def delete_many(self, keys: Iterable[str]) -> int:
        """Returns how many there were."""
        return sum(data['count'] for data in self._batches('/batch/delete', 'keys', keys))

    def invalidate(self, pattern: str | None = None) -> int:
        """Removes what matches a pattern of Redis's (`user:*`), or else all. Returns how many there were.

        After `INVALIDATION_INCOMPLETE` the same call again removes more."""
        return self._call('POST', API + '/invalidate', {'pattern': pattern},
                          timeout=REMOVAL_TIMEOUT)['count']

    def clear(self) -> None:
        self._call('DELETE', f'{API}/tenant/{quote(self._tenant, safe="")}', timeout=REMOVAL_TIMEOUT)

    def usage(self) -> dict[str, Any]:
        return self._call('GET', f'{API}/tenant/{quote(self._tenant, safe="")}')

    def close(self) -> None:
        """Closes the connection of the thread that calls it; the next call makes another."""
        connection = self._local.__dict__.get('connection')
        if connection is not None:
            connection.close()

    def get_or_set(self, key: str, ttl: int, produce: Callable[[], Any]) -> Any:
        """The value under a key or, where there is none, what `produce` gives, which is then cached.

        A cache that is down is as if it were empty. Threads that miss at the same time each produce; and what was
        produced before an invalidation may be set after it."""
        value = attempt(lambda: self.get(key, MISSING), MISSING)
        if value is not MISSING:
            return value
        value = produce()
        attempt(lambda: self.set(key, value, ttl), None)
        return value

    def _batches(self, path: str, name: str, members: Iterable[Any], key_of: Callable[[Any], str] | None = None,
                 again: bool = True) -> Iterator[dict]:
        """`key_of`: the key for which the answer has an item, where it has one for each member."""
        rest = list(members)
        most = MOST_ITEMS
        while rest:
            batch = rest[:most]
            try:
                keys = [key_of(member) for member in batch] if key_of else None
                yield self._call('POST', API + path, {name: batch}, keys=keys, again=again)
            except CacheError as error:
                # Too large together: the service says how many of the first ones fit.
                most = error.details.get('fitting', 0)
                if not 0 < most < len(batch):
                    raise
            else:
                rest, most = rest[len(batch):], MOST_ITEMS

    def _call(self, method: str, target: str, body: Any = None, *, keys: list[str] | None = None, timeout: float = 0,
              again: bool = True) -> Any:
        """The data of the answer. `keys`: those it must have, in this order. `again`: whether it does no harm to send
        the request twice."""
        headers, payload = dict(self._headers), None
        if body is not None:
            headers['Content-Type'] = 'application/json'
            payload = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
        timeout = max(timeout, self._timeout)
        status, text = self._exchange(method, self._base + target, payload, headers, timeout, again)
        try:
            answer = {'success': True, 'data': None} if status == 204 else json.loads(text)
        except ValueError:
            answer = None
        if isinstance(answer, dict) and answer.get('success') is True:
            data = answer['data']
            if keys is not None and _keys(data) != keys:
                # The connection is out of step: its next answer would be to another request as well.
                self.close()
                raise CacheError('KEY_MISMATCH', 'The answer is to another request', status,
                                 correlation_id=answer.get('correlation_id'))
            return data
        if isinstance(answer, dict) and isinstance(answer.get('error'), dict):
            error = answer['error']
            raise CacheError(error['code'], error['message'], status, error['details'], answer['correlation_id'])
        raise CacheError(f'HTTP_{status}', "The answer is not the service's own", status)

    def _exchange(self, method: str, target: str, payload: bytes | None, headers: dict[str, str], timeout: float,
                  again: bool) -> tuple[int, bytes]:
        connection = self._connection(timeout)
        kept = connection.sock is not None
        whole = False
        try:
            connection.request(method, target, payload, headers)
            response = connection.getresponse()
            answer = response.status, response.read()
            whole = True
            self._local.used = time.monotonic()
            return answer
        except (OSError, http.client.HTTPException) as error:
            # A connection that was kept may have been closed meanwhile. A set is not sent twice: the first one, if it
            # comes late, could bring back what was removed in between.
            if not (kept and again and isinstance(error, ConnectionError)):
                raise CacheError('CONNECTION_FAILED', f'{type(error).__name__}: {error}') from error
        finally:
            if not whole:
                connection.close()
        return self._exchange(method, target, payload, headers, timeout, False)

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        connection = self._local.__dict__.get('connection')
        if connection is not None and self._local.pid != os.getpid():
            # A fork shares the parent's socket, and would read answers to the parent's requests. This closes the copy.
            connection.close()
            connection = None
        if connection is None:
            connection = self._local.connection = self._connect(self._host, self._port)
            self._local.pid = os.getpid()
        elif connection.sock is not None and time.monotonic() - self._local.used > MOST_IDLE:
            connection.close()
        connection.timeout = timeout
        if connection.sock is not None:
            connection.sock.settimeout(timeout)
        return connection


def attempt(call: Callable[[], Any], otherwise: Any) -> Any:
    """What a call to the cache gives, or something else where it fails, for callers who can do without it."""
    try:
        return call()
    except CacheError as error:
        log.warning('The cache is not used: %s', error)
        return otherwise


def _keys(data: Any) -> list[str | None]:
    """The keys in an answer: its own, or those of its items."""
    items = data.get('items', [data]) if isinstance(data, dict) else []
    return [item.get('key') for item in items]


def _by_key(key: str) -> str:
    """Keys go by the query, since a path does not carry all of them."""
    return f'?key={quote(key, safe="")}'
