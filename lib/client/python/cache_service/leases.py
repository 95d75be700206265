"""The lookup of a `get_or_set`: a request for the value, or for the lease to produce it.

A key without a fresh value has one of:

- `lease`: this caller produces the value, and sets it with the lease. The lease is NO_TOKEN if the service is older than leases: the
  value is then set without one;
- a stale value and no lease: another caller produces the next value;
- `retry_after`: another caller produces the value;
- none of them: the lookup failed, or the service cannot store leases. This caller produces the value and does not set it, because
  without a lease it could be set after an invalidation.
"""

from __future__ import annotations

import time
from typing import Any, Callable, Coroutine, List, NamedTuple, Optional, Sequence

from . import requests
from .batches import batches_of, fitting_of, send_batches
from .errors import CacheError, DeadlineError
from .outage import Outage, is_unavailable
from .send import Request, Sender
from .types import CallOptions, Lease, LeaseLookup, Lookup

NO_TOKEN = Lease('', 0)

_MISSING_SECONDS = 5 * 60
"""For how long a service without leases is not asked for them again, so that an upgrade is noticed."""


class LeaseSupport:
    """Remembers that the service is older than leases."""

    def __init__(self) -> None:
        self._missing_end_monotonic = float('-inf')

    def is_missing(self) -> bool:
        return time.monotonic() < self._missing_end_monotonic

    def record_missing(self) -> None:
        self._missing_end_monotonic = time.monotonic() + _MISSING_SECONDS


class LookupOptions(NamedTuple):
    call: CallOptions
    """Of each request; has a `timeout`."""
    lease: int
    """Seconds."""
    tags: Optional[Sequence[str]]
    release: Callable[[List[LeaseLookup]], Coroutine[Any, Any, None]]
    """Releases leases that a response granted after its request had timed out. Without it, they would keep all other callers waiting
    until they end."""


class LeaseLookups:
    """Requests leases. A failure counts as a miss, and is passed to `report`.

    Below `usual_timeout`, a timeout does not show that the cache is unavailable.
    """

    def __init__(
        self,
        sender: Sender,
        outage: Outage,
        support: LeaseSupport,
        usual_timeout: float,
        report: Callable[[Exception, List[str]], None],
    ) -> None:
        self._sender, self._outage, self._support = sender, outage, support
        self._usual_timeout, self._report = usual_timeout, report

    async def look_up(self, keys: Sequence[str], options: LookupOptions) -> List[LeaseLookup]:
        """Looks up any number of keys. Returns the result for each, in order."""

        async def look_up_batch(batch: List[str]) -> List[LeaseLookup]:
            if not self._outage.may_try():
                return _misses(batch)
            started_monotonic = time.monotonic()
            try:
                if len(batch) == 1:
                    lookups = [await self._request_one(batch[0], options)]
                else:
                    lookups = await self._request_batch(batch, options)
            except Exception as error:
                if not is_unavailable(error):
                    self._outage.record_response()
                if fitting_of(error, len(batch)) > 0:
                    raise
                self._report(error, batch)
                timeout = options.call.get('timeout') or self._usual_timeout
                is_too_short = timeout < self._usual_timeout and isinstance(error, DeadlineError)
                if is_unavailable(error) and not is_too_short:
                    self._outage.record_failure(started_monotonic)
                return _misses(batch)
            self._outage.record_response()
            return lookups

        results = await send_batches(self._sender.runtime, batches_of(keys), look_up_batch)
        return [lookup for lookups in results for lookup in lookups]

    async def _request_one(self, key: str, options: LookupOptions) -> LeaseLookup:
        is_missing = self._support.is_missing()
        lookup = None if is_missing else await self._request_lease(key, options)
        if lookup is not None:
            return lookup
        plain = _plain(await self._sender.send_one(requests.get_one(key), options.call))
        # With a wrong URL, the get has failed as well.
        if not is_missing:
            self._support.record_missing()
        return plain

    async def _request_lease(self, key: str, options: LookupOptions) -> Optional[LeaseLookup]:
        """Returns None if the service has no such route."""

        async def release(late: LeaseLookup) -> None:
            await options.release([late])

        one = requests.lease_one(key, options.lease, options.tags)
        request = Request(one.method, one.target, one.retry, one.read, one.body, release)
        try:
            return await self._sender.send_one(request, options.call)
        except CacheError as error:
            if error.status in (404, 405):
                return None
            raise

    async def _request_batch(self, keys: List[str], options: LookupOptions) -> List[LeaseLookup]:
        if self._support.is_missing():
            return [_plain(lookup) for lookup in await self._sender.send_one(requests.get_batch(keys), options.call)]
        batch = requests.lease_batch(keys, options.lease, options.tags)
        request = Request(batch.method, batch.target, batch.retry, batch.read, batch.body, options.release)
        lookups = await self._sender.send_one(request, options.call)
        # A service without leases ignores `lease`. One that cannot store leases sends the same response.
        if all(lookup.found or _knows_leases(lookup) for lookup in lookups) or any(map(_knows_leases, lookups)):
            return lookups
        unclear = next(index for index, lookup in enumerate(lookups) if not lookup.found)
        probe = await self._request_lease(lookups[unclear].key, options)
        if probe is None:
            self._support.record_missing()
            return [_plain(Lookup(*lookup[:4])) for lookup in lookups]
        if probe.found or probe.lease:
            lookups[unclear] = probe
        return lookups


def _misses(keys: Sequence[str]) -> List[LeaseLookup]:
    return [LeaseLookup(key, False) for key in keys]


def _plain(lookup: Lookup) -> LeaseLookup:
    return LeaseLookup(*lookup, lease=None if lookup.found else NO_TOKEN)


def _knows_leases(lookup: LeaseLookup) -> bool:
    """Whether only a service with leases returns this. A fresh hit does not show it."""
    return lookup.lease is not None or lookup.retry_after is not None or lookup.stale
