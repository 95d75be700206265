"""The client for asyncio."""

from __future__ import annotations

import ssl
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncIterator,
    Awaitable,
    Callable,
    Dict,
    Iterable,
    List,
    Optional,
    Sequence,
    TypeVar,
    Union,
    overload,
)

from . import settings as defaults
from .operations import MAX_KEYS, Entries, Operations
from .runtime import resolve
from .settings import check_function, settings_of
from .tasks import TaskRuntime
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


class AsyncCache:
    """A tenant's cache for asyncio. Its options and methods are those of `Cache`; `keys` is an async iterator.

    The differences: `max_connections` limits all connections of an event loop, and calls wait for a free one. A cancelled task ends only its
    own call. Producers, `Bearer` tokens and `SigV4` credentials may be coroutine functions; a function that blocks would block the event
    loop. A producer is cancelled after `produce_timeout`, and when no call waits for it any more. Several event loops may use one client,
    each with connections of its own.
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
        self._runtime = TaskRuntime(settings.url, ssl_context, max_connections)
        self._operations = Operations(self._runtime, settings)

    @property
    def tenant(self) -> str:
        return self._operations.settings.tenant

    def for_tenant(self, tenant: str) -> 'AsyncCache':
        """As `Cache.for_tenant`."""
        other = object.__new__(type(self))
        other._runtime = self._runtime
        other._operations = self._operations.for_tenant(tenant)
        return other

    async def get(self, key: str, **options: Unpack[CallOptions]) -> Lookup:
        """As `Cache.get`."""
        return await self._operations.get(key, options)

    async def set(
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
        """As `Cache.set`."""
        return await self._operations.set(key, value, ttl, grace, lease, tags, options)

    async def touch(self, key: str, ttl: int, **options: Unpack[CallOptions]) -> bool:
        """As `Cache.touch`."""
        return await self._operations.touch(key, ttl, options)

    async def delete(self, key: str, **options: Unpack[CallOptions]) -> None:
        """As `Cache.delete`."""
        await self._operations.delete(key, options)

    async def get_many(self, keys: Iterable[str], **options: Unpack[CallOptions]) -> List[Lookup]:
        """As `Cache.get_many`."""
        return await self._operations.get_many(keys, options)

    async def set_many(
        self,
        entries: Entries,
        ttl: Optional[int] = None,
        *,
        grace: Optional[int] = None,
        tags: Optional[Sequence[str]] = None,
        **options: Unpack[CallOptions],
    ) -> List[SetResult]:
        """As `Cache.set_many`."""
        return await self._operations.set_many(entries, ttl, grace, tags, options)

    async def delete_many(self, keys: Iterable[str], **options: Unpack[CallOptions]) -> int:
        """As `Cache.delete_many`."""
        return await self._operations.delete_many(keys, options)

    async def invalidate(self, pattern: str, **options: Unpack[CallOptions]) -> int:
        """As `Cache.invalidate`."""
        return await self._operations.invalidate(pattern, options)

    async def invalidate_tags(self, tags: Sequence[str], **options: Unpack[CallOptions]) -> int:
        """As `Cache.invalidate_tags`."""
        return await self._operations.invalidate_tags(tags, options)

    async def clear(self, **options: Unpack[CallOptions]) -> None:
        """As `Cache.clear`."""
        await self._operations.clear(options)

    def keys(
        self,
        *,
        pattern: Optional[str] = None,
        tag: Optional[str] = None,
        limit: int = MAX_KEYS,
        **options: Unpack[CallOptions],
    ) -> AsyncIterator[ListedKey]:
        """As `Cache.keys`."""
        headers = self._operations.key_headers(pattern, tag, limit, options)

        async def pages() -> AsyncIterator[ListedKey]:
            cursor: Optional[str] = None
            while True:
                page, cursor = await self._operations.key_page(headers, pattern, tag, limit, cursor, options)
                for key in page:
                    yield key
                if cursor is None:
                    return

        return pages()

    async def usage(self, **options: Unpack[CallOptions]) -> Usage:
        """As `Cache.usage`."""
        return await self._operations.usage(options)

    async def health(self, **options: Unpack[CallOptions]) -> Dict[str, Any]:
        """As `Cache.health`."""
        return await self._operations.health(options)

    async def lease(
        self,
        key: str,
        *,
        lease: Optional[int] = None,
        tags: Optional[Sequence[str]] = None,
        **options: Unpack[CallOptions],
    ) -> LeaseLookup:
        """As `Cache.lease`."""
        return await self._operations.lease(key, lease, tags, options)

    async def release(self, key: str, token: str, **options: Unpack[CallOptions]) -> None:
        """As `Cache.release`."""
        await self._operations.release(key, token, options)

    @overload
    async def get_or_set(
        self, key: str, ttl: int, produce: Callable[[], Awaitable[T]], **options: Unpack[FillOptions]
    ) -> T: ...

    @overload
    async def get_or_set(
        self, key: str, ttl: int, produce: Callable[[], T], **options: Unpack[FillOptions]
    ) -> T: ...

    async def get_or_set(self, key: str, ttl: int, produce: Callable[[], Any], **options: Unpack[FillOptions]) -> Any:
        """As `Cache.get_or_set`. All calls raise DeadlineError if `produce` takes longer than `produce_timeout`."""
        check_function('produce', produce, may_be_coroutine=True)

        async def produce_one(_: List[str]) -> List[Any]:
            return [await resolve(produce())]

        return await self._operations.get_or_set(key, ttl, produce_one, options)

    async def get_or_set_many(
        self,
        keys: Iterable[str],
        ttl: int,
        produce_missing: Callable[[List[str]], Union[Sequence[T], Awaitable[Sequence[T]]]],
        **options: Unpack[FillOptions],
    ) -> List[T]:
        """As `Cache.get_or_set_many`. While `produce_missing` runs, the call waits for the values that others produce."""
        check_function('produce_missing', produce_missing, may_be_coroutine=True)

        async def produce(missing: List[str]) -> Sequence[T]:
            return await resolve(produce_missing(missing))

        return await self._operations.get_or_set_many(keys, ttl, produce, options)

    async def aclose(self) -> None:
        """Waits for the producers that run in the background, and closes the idle connections of this event loop."""
        await self._runtime.close()

    async def __aenter__(self) -> 'AsyncCache':
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()
