"""The client for code without asyncio."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, TypeVar

from . import settings as defaults
from .operations import MAX_KEYS, Entries, Operations
from .runtime import resolve
from .settings import check_function, settings_of
from .threads import ThreadRuntime, run
from .types import (
    Authorize,
    CallOptions,
    FillOptions,
    Headers,
    LeaseLookup,
    ListedKey,
    Lookup,
    OnError,
    SetResult,
    Usage,
)
from .values import Dumps, Loads

if TYPE_CHECKING:
    from typing_extensions import Unpack

T = TypeVar('T')


class Cache:
    """A tenant's cache. Threads may share it, and forked processes may inherit it: each request has a connection for itself.

    Every method raises a subclass of `CacheError`, TypeError or ValueError for an argument of the wrong type or range, or what the
    caller's own functions raise. A miss is not an error. Every method takes the options of a call: `timeout` (seconds),
    `correlation_id` and `headers`. Retries stay within the call's time. A set without a lease or a touch is retried only if the service
    cannot have received it.

    Args:
        url: Base URL of the service, including a path prefix if there is one: `http://localhost:8080`.
        user_id: Sent as `X-User-ID`, for the service's log and traces.
        timeout: Maximum seconds of a call, including retries; for `invalidate`, `invalidate_tags` and `clear` at least 60.
        produce_timeout: Seconds that a producer of `get_or_set` should take at most, and maximum seconds of the wait for a value that
            another process produces. A producer that takes longer is not interrupted.
        retries: Maximum number of retries where they are safe.
        authorize: `Bearer(...)`, `SigV4(...)` or a function that receives each request and returns headers.
        headers: Called once per call. Returns headers such as `traceparent`, `tracestate` or `X-Correlation-ID`.
        on_error: Called with each cache failure that `get_or_set` handles as a miss, each value that it cannot cache, and each error of a
            producer for which a stale value was returned. Default: a warning in the log `cache_service`.
        dumps: Writes a value as JSON text. Default: `json.dumps` without NaN and Infinity.
        loads: Parses whole responses. Default: `json.loads`.
        ssl_context: Default: `ssl.create_default_context()`.
        max_connections: Maximum number of idle connections to keep.
    """

    def __init__(
        self,
        url: str,
        tenant: str,
        *,
        user_id: Optional[str] = None,
        timeout: float = defaults.TIMEOUT,
        produce_timeout: float = defaults.PRODUCE_TIMEOUT,
        retries: int = 2,
        authorize: Optional[Authorize] = None,
        headers: Optional[Callable[[], Headers]] = None,
        on_error: Optional[OnError] = None,
        dumps: Optional[Dumps] = None,
        loads: Optional[Loads] = None,
        ssl_context: Optional[ssl.SSLContext] = None,
        max_connections: int = 100,
    ) -> None:
        settings = settings_of(
            url,
            tenant,
            user_id=user_id,
            timeout=timeout,
            produce_timeout=produce_timeout,
            retries=retries,
            authorize=authorize,
            headers=headers,
            on_error=on_error,
            dumps=dumps,
            loads=loads,
            ssl_context=ssl_context,
            max_connections=max_connections,
        )
        self._runtime = ThreadRuntime(settings.url, ssl_context, max_connections)
        self._operations = Operations(self._runtime, settings)

    @property
    def tenant(self) -> str:
        return self._operations.settings.tenant

    def for_tenant(self, tenant: str) -> 'Cache':
        """A client for another tenant with the same options. It shares connections, single flight and the memory of an outage."""
        other = object.__new__(type(self))
        other._runtime = self._runtime
        other._operations = self._operations.for_tenant(tenant)
        return other

    def get(self, key: str, **options: Unpack[CallOptions]) -> Lookup:
        """Looks up a key."""
        return run(self._operations.get(key, options))

    def set(
        self,
        key: str,
        value: Any,
        ttl: Optional[int] = None,
        *,
        grace: Optional[int] = None,
        lease: Optional[str] = None,
        tags: Optional[Sequence[str]] = None,
        **options: Unpack[CallOptions],
    ) -> SetResult:
        """Caches a value.

        `ttl`: whole seconds; default: the service's (300). `grace`: whole seconds after the TTL in which lease requests still get the value,
        as stale. `lease`: the token of a lease on the key: the value is set only if the lease has not ended. `tags`: up to 16, which replace
        those of the entry before.

        Raises:
            TypeError: for a value that JSON cannot represent
            LeaseLostError: if the lease has ended
        """
        return run(self._operations.set(key, value, ttl, grace, lease, tags, options))

    def touch(self, key: str, ttl: int, **options: Unpack[CallOptions]) -> bool:
        """Changes the TTL of an entry to `ttl` whole seconds from now, without sending its value. Returns False for a miss."""
        return run(self._operations.touch(key, ttl, options))

    def delete(self, key: str, **options: Unpack[CallOptions]) -> None:
        """Removes an entry, if there is one."""
        run(self._operations.delete(key, options))

    def get_many(self, keys: Iterable[str], **options: Unpack[CallOptions]) -> List[Lookup]:
        """Looks up any number of keys. Returns what `get` returns for each, in order."""
        return run(self._operations.get_many(keys, options))

    def set_many(
        self,
        entries: Entries,
        ttl: Optional[int] = None,
        *,
        grace: Optional[int] = None,
        tags: Optional[Sequence[str]] = None,
        **options: Unpack[CallOptions],
    ) -> List[SetResult]:
        """Caches any number of values: a dict of values by key, or a list of `Entry`.

        `ttl`, `grace` and `tags` apply to entries without their own. It is not atomic: when it raises, some may have been set. Of several
        entries with one key the last one is set; its result is that of all of them.

        Raises:
            TypeError: for a value that JSON cannot represent, before anything is sent
        """
        return run(self._operations.set_many(entries, ttl, grace, tags, options))

    def delete_many(self, keys: Iterable[str], **options: Unpack[CallOptions]) -> int:
        """Removes any number of entries. Returns the number of live entries removed, with the reservation of `invalidate`."""
        return run(self._operations.delete_many(keys, options))

    def invalidate(self, pattern: str, **options: Unpack[CallOptions]) -> int:
        """Removes all entries whose whole key matches a Redis glob: `*`, `?`, `[a-z]`, `[^a]`, `\\` to escape.

        Repeats the request until all are removed. Default time limit: 60 seconds. Returns the number of live entries removed. It is too low
        if a response was lost and the request was retried.

        Raises:
            InvalidationIncompleteError: if time ran out
        """
        return run(self._operations.invalidate(pattern, options))

    def invalidate_tags(self, tags: Sequence[str], **options: Unpack[CallOptions]) -> int:
        """Removes all entries that have at least one of the tags, and ends leases that were requested with one of them.

        Takes any number of tags, but at least one. Repeats the request, limits the time, and returns and raises as `invalidate`.
        """
        return run(self._operations.invalidate_tags(tags, options))

    def clear(self, **options: Unpack[CallOptions]) -> None:
        """Removes all entries of the tenant. Default time limit: 60 seconds."""
        run(self._operations.clear(options))

    def keys(
        self,
        *,
        pattern: Optional[str] = None,
        tag: Optional[str] = None,
        limit: int = MAX_KEYS,
        **options: Unpack[CallOptions],
    ) -> Iterator[ListedKey]:
        """Lists the keys of live and stale entries in the order of their bytes, by pattern and tag.

        Requests up to `limit` keys (1 to 1,000) when it needs them, so that a loop which ends early sends no more requests. A key that exists
        throughout the walk is listed exactly once. `timeout` applies to each request.
        """
        headers = self._operations.key_headers(pattern, tag, limit, options)

        def pages() -> Iterator[ListedKey]:
            cursor: Optional[str] = None
            while True:
                page, cursor = run(self._operations.key_page(headers, pattern, tag, limit, cursor, options))
                yield from page
                if cursor is None:
                    return

        return pages()

    def usage(self, **options: Unpack[CallOptions]) -> Usage:
        """The tenant's number of entries and their size."""
        return run(self._operations.usage(options))

    def health(self, **options: Unpack[CallOptions]) -> Dict[str, Any]:
        """The service's state, as the service returns it. An unhealthy service is a result, not an error."""
        return run(self._operations.health(options))

    def lease(
        self,
        key: str,
        *,
        lease: Optional[int] = None,
        tags: Optional[Sequence[str]] = None,
        **options: Unpack[CallOptions],
    ) -> LeaseLookup:
        """Looks up a key, and gets the lease to produce its value if there is no fresh one and no other caller has the lease.

        `set` with the token then sets the value, unless it was invalidated meanwhile, also by one of `tags`. `lease`: whole seconds, 1 to 300,
        that the caller may take; default 30. `get_or_set` does all of this.

        If neither value, lease nor `retry_after` is returned, the service cannot store leases now, or a response was lost. A value that is
        set then may have been invalidated while it was produced.
        """
        return run(self._operations.lease(key, lease, tags, options))

    def release(self, key: str, token: str, **options: Unpack[CallOptions]) -> None:
        """Gives a lease back, so that another caller gets it at once. Does nothing if it has ended."""
        run(self._operations.release(key, token, options))

    def get_or_set(self, key: str, ttl: int, produce: Callable[[], T], **options: Unpack[FillOptions]) -> T:
        """Returns the cached value, or calls `produce` and caches its result for `ttl` seconds.

        **One producer.** Of all callers in all processes that miss a key, one gets its lease and calls `produce`, in its own thread. The others
        wait for its value. If the lease ends first, because its holder failed or took longer, another caller produces. A call that has waited
        for `produce_timeout` calls its own `produce`, and does not cache the value. Threads that use this client, or those that `for_tenant`
        created from it, share one lookup (single flight). The first call's arguments apply to all.

        **No stale set.** A value that was invalidated while it was produced, by its key or by one of `tags`, is returned, but not cached. A call
        that starts after a removal or set of this client does not join an earlier one.

        **Grace.** For `grace` seconds after its TTL, a value is returned as stale to all but the caller that produces the next one, and to
        that one as well if `produce` fails or with `background`.

        **Failures.** A cache that fails or is slow counts as a miss and is reported to `on_error`; the call does not fail, and does not set.
        While the cache is unavailable, calls only produce. The produced value is returned as JSON represents it, so that a miss and a hit
        return the same. A value that JSON cannot represent is returned unchanged and not cached.

        Raises:
            Exception: what `produce` raises
            DeadlineError: in a thread that waits for another thread's value, after twice `produce_timeout`
        """
        check_function('produce', produce, may_be_coroutine=True)

        async def produce_one(_: List[str]) -> List[T]:
            return [await resolve(produce())]

        result: T = run(self._operations.get_or_set(key, ttl, produce_one, options))
        return result

    def get_or_set_many(
        self,
        keys: Iterable[str],
        ttl: int,
        produce_missing: Callable[[List[str]], Sequence[T]],
        **options: Unpack[FillOptions],
    ) -> List[T]:
        """`get_or_set` for any number of keys. Returns their values in order; keys may be repeated.

        `produce_missing` receives the keys that no other caller produces, each once, and returns their values in the same order. It may be
        called again, for keys whose producers elsewhere have failed. If it fails, stale values are returned if there is one for each of its
        keys. Otherwise the call raises its error.

        Raises:
            TypeError: if `produce_missing` does not return as many values as it received keys
        """
        check_function('produce_missing', produce_missing, may_be_coroutine=True)

        async def produce(missing: List[str]) -> Sequence[T]:
            return await resolve(produce_missing(missing))

        return run(self._operations.get_or_set_many(keys, ttl, produce, options))

    def close(self) -> None:
        """Closes the idle connections. A later call makes new ones."""
        self._runtime.close()

    def __enter__(self) -> 'Cache':
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
