"""`get_or_set` and `get_or_set_many`.

The lookup is a lease request: of all callers in all processes that miss a key, one gets the lease, produces the value and sets it with
the lease. The others wait for the value, or return a stale one.

Invariant: a value is set only with a lease, which every invalidation ends. The exception is a service without leases.
"""

from __future__ import annotations

import logging
import math
import random
import time
from typing import Any, Callable, Coroutine, Dict, List, NamedTuple, Optional, Sequence, Tuple

from . import requests
from .batches import batches_of, fitting_of, send_batches
from .deadline import Deadline
from .errors import LeaseLostError
from .leases import LeaseLookups, LeaseSupport, LookupOptions
from .outage import Outage, is_unavailable
from .runtime import Work
from .send import Sender
from .settings import Settings, check_strings
from .types import CallOptions, ErrorContext, FillOptions, LeaseLookup
from .values import parsed_value, value_text

_log = logging.getLogger('cache_service')

ProduceMany = Callable[[List[str]], Coroutine[Any, Any, Sequence[Any]]]
"""Returns the values of the keys, in order."""

_MAX_LEASE_SECONDS = 300
"""The service's limit of the time of a lease."""

_MIN_POLL_SECONDS = 0.05
"""Pauses below this cost more requests than they save time."""


class SharedState:
    """What the clients that `for_tenant` creates have in common."""

    def __init__(self) -> None:
        self.outage = Outage()
        self.lease_support = LeaseSupport()


class Job(NamedTuple):
    """The arguments of a call, completed with defaults."""

    ttl: float
    grace: Optional[float]
    tags_of: Callable[[Any, str], Optional[Sequence[str]]]
    background: bool
    produce_timeout: float
    produce: ProduceMany
    lookup: LookupOptions


class Outcome(NamedTuple):
    """The result of a flight: a value, and for a stale one perhaps the lease to produce the next."""

    value: Any
    refresh: List[LeaseLookup]
    """For the first caller that pops it. The others return the stale value."""


class GetOrSet:
    def __init__(self, sender: Sender, settings: Settings, shared: SharedState) -> None:
        self._sender, self._settings = sender, settings
        self._runtime = sender.runtime
        self._lookups = LeaseLookups(
            sender,
            shared.outage,
            shared.lease_support,
            settings.fill_timeout,
            lambda error, keys: self._report(error, 'get', keys),
        )

    async def one(self, key: str, ttl: float, produce: ProduceMany, options: FillOptions) -> Any:
        job = self._job_of(ttl, produce, options)
        # A thread waits for another's call for the time in which that may wait for another process, and then produce.
        wait_seconds = 2 * job.produce_timeout
        tenant = self._settings.tenant
        outcome = await self._runtime.share(tenant, key, lambda: self._find(key, job), wait_seconds)
        try:
            lookup = outcome.refresh.pop()
        except IndexError:
            return outcome.value
        return (await self._produce([lookup], job))[0]

    async def many(self, keys: Sequence[str], ttl: float, produce: ProduceMany, options: FillOptions) -> Dict[str, Any]:
        """Returns the values of the keys. Produces those that no other caller produces, and waits for the others."""
        job = self._job_of(ttl, produce, options)
        values: Dict[str, Any] = {}
        not_begun: Dict[str, LeaseLookup] = {}
        """What this call shall produce. A production that has begun releases its leases itself if it fails."""
        productions: List[Work] = []
        wait: Optional[Deadline] = None

        async def produce_all(lookups: List[LeaseLookup]) -> None:
            for lookup in lookups:
                not_begun.pop(lookup.key, None)
            produced = await self._produce(lookups, job)
            values.update((lookup.key, value) for lookup, value in zip(lookups, produced))

        missing = list(dict.fromkeys(keys))
        try:
            while missing:
                lookups = await self._lookups.look_up(missing, job.lookup)
                values.update((lookup.key, lookup.value) for lookup in lookups if lookup.found)
                is_wait_over = wait is not None and wait.remaining() <= 0
                held = [] if is_wait_over else [lookup for lookup in lookups if _is_held(lookup)]
                missing = [lookup.key for lookup in held]
                held_keys = set(missing)
                new = [
                    lookup
                    for lookup in lookups
                    if lookup.lease or not (lookup.found or lookup.key in held_keys)
                ]
                if job.background:
                    stale = [lookup for lookup in new if lookup.found]
                    new = [lookup for lookup in new if not lookup.found]
                    self._produce_in_background(stale, job)
                if new:
                    not_begun.update((lookup.key, lookup) for lookup in new)
                    productions.append(self._runtime.start(produce_all(new)))
                if held:
                    wait = wait or Deadline(job.produce_timeout)
                    delay = _poll_delay(min(lookup.retry_after or 0 for lookup in held))
                    await self._runtime.sleep(min(delay, max(0.0, wait.remaining())), productions)
            for production in productions:
                await production.finish()
            return values
        except BaseException:
            for production in productions:
                await production.cancel()
            await self._release(list(not_begun.values()), job.lookup.call)
            raise

    def _job_of(self, ttl: float, produce: ProduceMany, options: FillOptions) -> Job:
        settings = self._settings
        tags = options.get('tags')
        tags_of: Callable[[Any, str], Optional[Sequence[str]]] = options.get('tags_of') or (lambda value, key: tags)
        produce_timeout = options.get('produce_timeout') or settings.produce_timeout
        call: CallOptions = {
            'timeout': options.get('timeout') or settings.fill_timeout,
            'correlation_id': options.get('correlation_id'),
            'headers': options.get('headers'),
        }

        async def release(lookups: List[LeaseLookup]) -> None:
            await self._release(lookups, call)

        # A lease that lasts as long as the producer may take.
        lease = options.get('lease') or min(_MAX_LEASE_SECONDS, max(1, math.ceil(produce_timeout)))
        return Job(
            ttl=ttl,
            grace=options.get('grace'),
            tags_of=tags_of,
            background=options.get('background', False),
            produce_timeout=produce_timeout,
            produce=produce,
            lookup=LookupOptions(call, lease, tags, release),
        )

    async def _find(self, key: str, job: Job) -> Outcome:
        lookup = await self._look_up_or_wait(key, job)
        if not lookup.found:
            return Outcome((await self._produce([lookup], job))[0], [])
        if not lookup.lease:
            return Outcome(lookup.value, [])
        if job.background:
            self._produce_in_background([lookup], job)
            return Outcome(lookup.value, [])
        return Outcome(lookup.value, [lookup])

    async def _look_up_or_wait(self, key: str, job: Job) -> LeaseLookup:
        """Repeats the lookup while another caller has the lease on a key without a value.

        A caller waits as long as its own producer may take, and then produces the value itself, without setting it: the cache must not
        make the call fail.
        """
        wait: Optional[Deadline] = None
        while True:
            [lookup] = await self._lookups.look_up([key], job.lookup)
            if not _is_held(lookup):
                return lookup
            wait = wait or Deadline(job.produce_timeout)
            if wait.remaining() <= 0:
                return LeaseLookup(key, False)
            await self._runtime.sleep(min(_poll_delay(lookup.retry_after or 0), wait.remaining()))

    def _produce_in_background(self, stale: List[LeaseLookup], job: Job) -> None:
        async def produce() -> None:
            await self._produce(stale, job)

        if stale:
            self._runtime.run_in_background(produce())

    async def _produce(self, lookups: Sequence[LeaseLookup], job: Job) -> List[Any]:
        """Calls the producer and sets the values. If it fails, releases the leases.

        Returns the values as JSON represents them; the stale ones if the producer fails and there is one for each key.

        Raises:
            BaseException: what the producer raises
            DeadlineError: in asyncio, after `produce_timeout`
        """
        keys = [lookup.key for lookup in lookups]
        started_monotonic = time.monotonic()
        try:
            produced = await self._runtime.within(
                Deadline(job.produce_timeout, work='produce'), _call_producer(job.produce, keys)
            )
        except BaseException as error:
            await self._release(lookups, job.lookup.call)
            if not isinstance(error, Exception) or not all(lookup.found for lookup in lookups):
                raise
            self._report(error, 'produce', keys)
            return [lookup.value for lookup in lookups]
        values: List[Any] = []
        entries: List[requests.EntryText] = []
        not_set: List[str] = []
        for lookup, original in zip(lookups, produced):
            value = original
            try:
                text = value_text(original, self._settings.dumps)
                value = parsed_value(text, self._settings.loads)
                tags = job.tags_of(original, lookup.key)
                if tags is not None:
                    tags = check_strings('tags', tags)
                token = (lookup.lease.token or None) if lookup.lease else None
                entry = requests.entry_of(lookup.key, text, ttl=job.ttl, grace=job.grace, lease=token, tags=tags)
                if lookup.lease:
                    entries.append(entry)
            except Exception as error:
                self._report(error, 'set', [lookup.key])
                not_set.append(lookup.key)
            values.append(value)
        try:
            failed, lost = await self._set(entries, job)
        except BaseException:  # Such as a cancellation.
            await self._release(lookups, job.lookup.call)
            raise
        self._report_late(lookups, lost, time.monotonic() - started_monotonic)
        not_set += failed
        await self._release([lookup for lookup in lookups if lookup.key in not_set], job.lookup.call)
        return values

    async def _set(self, entries: List[requests.EntryText], job: Job) -> Tuple[List[str], List[str]]:
        """Returns the keys that were not set: because the set failed, and because their leases were lost."""
        failed: List[str] = []
        lost: List[str] = []

        async def set_batch(batch: List[requests.EntryText]) -> None:
            keys = [entry.key for entry in batch]
            try:
                if len(batch) == 1:
                    await self._sender.send_one(requests.set_one(batch[0]), job.lookup.call)
                else:
                    results = await self._sender.send_one(requests.set_batch(batch), job.lookup.call)
                    lost.extend(result.key for result in results if result.lease_lost)
            except LeaseLostError:
                lost.extend(keys)
            except Exception as error:
                if fitting_of(error, len(batch)) > 0:
                    raise
                self._report(error, 'set', keys)
                # If the cache is unavailable, releasing the leases would fail as well. They end by themselves.
                if not is_unavailable(error):
                    failed.extend(keys)

        await send_batches(self._runtime, batches_of(entries, lambda entry: entry.size), set_batch)
        return failed, lost

    async def _release(self, lookups: Sequence[LeaseLookup], options: CallOptions) -> None:
        """Releases leases, so that other callers need not wait until they end. Failures are ignored: they end by themselves."""
        leases = [(lookup.key, lookup.lease.token) for lookup in lookups if lookup.lease and lookup.lease.token]
        if not leases:
            return

        async def release_all() -> None:
            try:
                call = self._sender.call(options)
            except Exception as error:  # Of the caller's function `headers`.
                _log.debug('Leases were not released: %s', error)
                return

            async def release(batch: List[Tuple[str, str]]) -> None:
                try:
                    await self._sender.send(call, requests.release(*batch[0]))
                except Exception as error:  # Does not end the other releases.
                    _log.debug('A lease was not released: %s', error)

            await send_batches(self._runtime, [[lease] for lease in leases], release)

        await self._runtime.complete(release_all())

    def _report_late(self, lookups: Sequence[LeaseLookup], lost: List[str], took_seconds: float) -> None:
        """Reports values that were not cached because they took longer than their leases.

        A lease that was lost for another reason is not reported: the value was invalidated or replaced.
        """
        late = [
            lookup
            for lookup in lookups
            if lookup.lease and lookup.key in lost and took_seconds >= lookup.lease.ttl
        ]
        if late and late[0].lease:
            seconds = late[0].lease.ttl
            message = f'The value was not cached, because its lease of {seconds} s ended while it was produced'
            self._report(LeaseLostError(message), 'set', [lookup.key for lookup in late])

    def _report(self, error: Exception, operation: str, keys: List[str]) -> None:
        """Passes a failure to `on_error`, or logs it. An error in `on_error` does not fail the call."""
        on_error = self._settings.on_error
        try:
            if on_error:
                on_error(error, ErrorContext(operation, keys))
            else:
                _log.warning('get_or_set: %s failed: %s: %s', operation, type(error).__name__, error)
        except Exception:
            _log.exception('on_error failed')


async def _call_producer(produce: ProduceMany, keys: List[str]) -> List[Any]:
    produced = await produce(list(keys))
    if isinstance(produced, (str, bytes, dict)) or not hasattr(produced, '__len__') or len(produced) != len(keys):
        raise TypeError(f'produce_missing must return a list with a value for each of its {len(keys)} keys')
    return list(produced)


def _is_held(lookup: LeaseLookup) -> bool:
    """Whether another caller has the lease on a key without a value."""
    return not lookup.found and not lookup.lease and lookup.retry_after is not None


def _poll_delay(retry_after: float) -> float:
    """Seconds before the next lookup: a quarter more or less than the service says, so that those who wait for a value do not all ask at
    once."""
    return max(_MIN_POLL_SECONDS, retry_after * random.uniform(0.75, 1.25))
