"""What the methods of both clients take and return. Times are in seconds."""

from __future__ import annotations

from typing import (
    Any,
    Awaitable,
    Callable,
    Dict,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    TypedDict,
    Union,
)


class Lookup(NamedTuple):
    """A hit or a miss."""

    key: str
    found: bool
    value: Any = None
    """None for a miss. A cached value may be None as well: see `found`."""
    ttl: int = 0
    """Remaining whole seconds: at least 1 for a hit, 0 for a miss."""


class Lease(NamedTuple):
    """The right to produce a missing or stale value."""

    token: str
    ttl: int
    """Whole seconds until it ends."""


class LeaseLookup(NamedTuple):
    """A hit, a stale value or a miss, and the lease if this caller got it."""

    key: str
    found: bool
    value: Any = None
    ttl: int = 0
    """Remaining whole seconds; 0 for a stale value or a miss."""
    stale: bool = False
    lease: Optional[Lease] = None
    """For this caller, which shall produce the value."""
    retry_after: Optional[float] = None
    """Seconds after which to ask again: another caller has the lease. None without a lease: the service cannot store leases now."""


class Entry(NamedTuple):
    """An entry to set with `set_many`."""

    key: str
    value: Any
    ttl: Optional[int] = None
    """Whole seconds. Default: the service's (300)."""
    grace: Optional[int] = None
    """Whole seconds after the TTL in which lease requests still get the value, as stale. Default: 0."""
    lease: Optional[str] = None
    """The token of a lease on the key: the value is set only if the lease has not ended."""
    tags: Optional[Sequence[str]] = None
    """Up to 16, of 1 to 256 bytes of UTF-8 each, without control characters."""


class SetResult(NamedTuple):
    """Result of a set."""

    key: str
    ttl: int
    """Whole seconds."""
    lease_lost: bool = False
    """Only in results of `set_many`: the entry was not set, because its lease had ended. `ttl` is 0."""


class ListedKey(NamedTuple):
    """A key of a live entry, or of a stale one."""

    key: str
    ttl: int
    """Remaining whole seconds; 0 for a stale value."""
    stale: bool
    """Whether the TTL is over and the grace is not."""
    tags: List[str]


class UsageBytes(TypedDict):
    estimated: int
    """Size of the values as stored, projected from a sample."""
    sampled: int
    """Entries in the sample. If it contains all entries, the size is exact."""
    missing: int
    """Sampled entries that the backend has evicted."""


class UsageLimits(TypedDict):
    """The tenant's limits; `None`: none."""

    entries: Optional[int]
    bytes: Optional[int]
    requests_per_second: Optional[int]
    burst: Optional[int]


class Usage(TypedDict):
    """A tenant's number of entries and their size, as the service returns it."""

    tenant_id: str
    entries: int
    bytes: UsageBytes
    limits: UsageLimits
    """Absent if the service is older than limits."""
    backend: str


class Outgoing(NamedTuple):
    """A request before it is sent."""

    method: str
    url: str
    """Absolute."""
    headers: Dict[str, str]
    """Names in lower case."""
    body: bytes


class ErrorContext(NamedTuple):
    """What failed."""

    operation: str
    """`get`, `set`, or `produce` for the caller's own function."""
    keys: List[str]


Headers = Mapping[str, Optional[str]]
Authorize = Callable[[Outgoing], Union[Mapping[str, str], Awaitable[Mapping[str, str]]]]
"""Returns headers that authorize a request. It is called for each request and each retry. The call raises what it raises."""
OnError = Callable[[BaseException, ErrorContext], object]
TagsOf = Callable[[Any, str], Sequence[str]]


class CallOptions(TypedDict, total=False):
    """Options of every call."""

    timeout: Optional[float]
    """Seconds. Replaces the client's."""
    correlation_id: Optional[str]
    """Connects the call with others in logs; all requests of the call contain it. Default: a random UUID."""
    headers: Optional[Headers]
    """Replace headers of the same name that the client's `headers` returns, such as `traceparent`."""


class FillOptions(CallOptions, total=False):
    """Options of `get_or_set` and `get_or_set_many`. `timeout` is that of each lookup and of the set: default 1, or the client's if
    that is less."""

    grace: Optional[int]
    """Whole seconds after the TTL in which the value is still returned, as stale, while one caller produces the next one, or if
    that fails. Default: 0."""
    lease: Optional[int]
    """Whole seconds, 1 to 300, after which another process produces if this one has not. A value that takes longer is returned,
    but not cached. Default: `produce_timeout`."""
    tags: Optional[Sequence[str]]
    """An invalidation of one of them removes the value. An invalidation while it is produced keeps it from being cached."""
    tags_of: Optional[TagsOf]
    """`tags_of(value, key)` returns the tags of a value that was produced, where only the value shows what it is made from. They
    replace `tags`, which then apply only while the value is produced."""
    background: bool
    """A stale value is returned at once, also to the caller that produces the next one: `Cache` does it in a thread, `AsyncCache`
    in a task. Default: False."""
    produce_timeout: Optional[float]
    """Seconds. Replaces the client's."""
