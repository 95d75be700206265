"""The operations of both clients, as coroutines. `cache.py` documents them."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple, Union, cast

from . import requests
from .batches import batches_of, renumbered
from .errors import DeadlineError, InvalidationIncompleteError, ValidationError
from .get_or_set import GetOrSet, ProduceMany, SharedState
from .runtime import Runtime
from .send import Call, Request, Sender
from .settings import Settings, check_function, check_number, check_string, check_strings, check_timeout, check_whole
from .types import CallOptions, Entry, FillOptions, LeaseLookup, ListedKey, Lookup, SetResult, Usage
from .values import value_text

MAX_KEYS = 1000
"""Keys in a page of `keys`: as many as the service accepts."""

_MAX_TAGS = 16
"""The service's limit of tags in a request."""

Entries = Union[Mapping[str, Any], Iterable[Entry]]


class Operations:
    def __init__(self, runtime: Runtime, settings: Settings, shared: Optional[SharedState] = None) -> None:
        self.settings = settings
        self._runtime = runtime
        self._shared = shared or SharedState()
        self._sender = Sender(runtime, settings)
        self._get_or_set = GetOrSet(self._sender, settings, self._shared)

    def for_tenant(self, tenant: str) -> 'Operations':
        check_string('tenant', tenant)
        return Operations(self._runtime, dataclasses.replace(self.settings, tenant=tenant), self._shared)

    async def get(self, key: str, options: CallOptions) -> Lookup:
        check_string('key', key)
        return await self._send(requests.get_one(key), options)

    async def set(
        self,
        key: str,
        value: Any,
        ttl: Optional[float],
        grace: Optional[float],
        lease: Optional[str],
        tags: Optional[Sequence[str]],
        options: CallOptions,
    ) -> SetResult:
        tags = _check_entry('', key, ttl, grace, lease, tags)
        text = value_text(value, self.settings.dumps)
        entry = requests.entry_of(key, text, ttl=ttl, grace=grace, lease=lease, tags=tags)
        try:
            return await self._send(requests.set_one(entry), options)
        finally:
            self._forget([key])

    async def lease(
        self, key: str, lease: Optional[float], tags: Optional[Sequence[str]], options: CallOptions
    ) -> LeaseLookup:
        tags = _check_entry('', key, None, None, None, tags)
        if lease is not None:
            check_number('lease', lease)
        return await self._send(requests.lease_one(key, lease, tags), options)

    async def release(self, key: str, token: str, options: CallOptions) -> None:
        check_string('key', key)
        check_string('token', token)
        await self._send(requests.release(key, token), options)

    async def touch(self, key: str, ttl: float, options: CallOptions) -> bool:
        check_string('key', key)
        check_number('ttl', ttl)
        return await self._send(requests.touch(key, ttl), options)

    async def delete(self, key: str, options: CallOptions) -> None:
        check_string('key', key)
        try:
            await self._send(requests.delete_one(key), options)
        finally:
            self._forget([key])

    async def invalidate(self, pattern: str, options: CallOptions) -> int:
        if not isinstance(pattern, str):
            raise TypeError('pattern must be a string; clear() empties the tenant')
        call = self._call(options, self.settings.removal_timeout)
        try:
            return await self._remove_all(call, requests.invalidate_pattern(pattern), 0)
        finally:
            self._forget()

    async def invalidate_tags(self, tags: Sequence[str], options: CallOptions) -> int:
        tags = check_strings('tags', tags)
        if not tags:
            raise ValueError('tags must contain at least one tag; clear() empties the tenant')
        call = self._call(options, self.settings.removal_timeout)
        removed = 0
        try:
            for first in range(0, len(tags), _MAX_TAGS):
                request = requests.invalidate_tags(tags[first : first + _MAX_TAGS])
                try:
                    removed = await self._remove_all(call, request, removed)
                except ValidationError as error:
                    raise renumbered(error, lambda index, first=first: first + index, ('tags',)) from None  # type: ignore[misc]
            return removed
        finally:
            self._forget()

    async def _remove_all(self, call: Call, request: Request[int], before: int) -> int:
        """Repeats an invalidation until the service reports that it is complete. One request ends when the service's own time is over.

        `before` is the number of entries that earlier requests of the call have removed. Returns the number that all have removed.

        Raises:
            InvalidationIncompleteError: with that number, if the call's time is over, or if a request removed nothing
        """
        removed = before
        while True:
            try:
                return removed + await self._sender.send(call, request)
            except DeadlineError as error:
                if removed == 0:
                    raise
                raise _incomplete(error, removed) from error
            except InvalidationIncompleteError as error:
                removed += error.count
                delay = error.retry_after or 0.0
                if error.count == 0 or delay >= call.deadline.remaining():
                    raise _incomplete(error, removed) from error
            await self._runtime.sleep(delay)

    async def key_page(
        self,
        headers: Dict[str, str],
        pattern: Optional[str],
        tag: Optional[str],
        limit: int,
        cursor: Optional[str],
        options: CallOptions,
    ) -> Tuple[List[ListedKey], Optional[str]]:
        """A page of keys and the cursor of the next one. Each page has the time of a call. All have the same headers."""
        request = requests.list_keys(self.settings.tenant, pattern, tag, limit, cursor)
        return await self._sender.send(self._sender.call_with(headers, options), request)

    def key_headers(
        self, pattern: Optional[str], tag: Optional[str], limit: int, options: CallOptions
    ) -> Dict[str, str]:
        """Checks the arguments of `keys`, and returns the headers of its requests."""
        if pattern is not None:
            check_string('pattern', pattern)
        if tag is not None:
            check_string('tag', tag)
        check_whole('limit', limit)
        _check_options(options, CallOptions)
        return self._sender.headers(options)

    async def clear(self, options: CallOptions) -> None:
        call = self._call(options, self.settings.removal_timeout)
        try:
            await self._sender.send(call, requests.clear(self.settings.tenant))
        finally:
            self._forget()

    async def usage(self, options: CallOptions) -> Usage:
        return await self._send(requests.usage(self.settings.tenant), options)

    async def health(self, options: CallOptions) -> Dict[str, Any]:
        return await self._send(requests.health(), options)

    async def get_many(self, keys: Iterable[str], options: CallOptions) -> List[Lookup]:
        batches = batches_of(check_strings('keys', keys))
        _check_options(options, CallOptions)
        found = await self._sender.send_all(batches, requests.get_batch, options)
        return [lookup for lookups in found for lookup in lookups]

    async def set_many(
        self,
        entries: Entries,
        ttl: Optional[float],
        grace: Optional[float],
        tags: Optional[Sequence[str]],
        options: CallOptions,
    ) -> List[SetResult]:
        _check_options(options, CallOptions)
        if tags is not None:
            tags = check_strings('tags', tags)
        if isinstance(entries, Mapping):
            listed = [Entry(key, value) for key, value in cast(Mapping[str, Any], entries).items()]
        else:
            listed = list(entries)
        # Batches arrive in any order, so each key is sent once.
        texts: Dict[str, requests.EntryText] = {}
        indexes: Dict[str, int] = {}
        keys: List[str] = []
        for index, entry in enumerate(listed):
            path = f'entries[{index}].'
            if not isinstance(entry, Entry):
                raise TypeError(f'entries[{index}] must be an Entry; or pass a dict of values by key')
            key, value, own_ttl, own_grace, lease, own_tags = entry
            arguments = {
                'ttl': ttl if own_ttl is None else own_ttl,
                'grace': grace if own_grace is None else own_grace,
                'lease': lease,
                'tags': tags if own_tags is None else own_tags,
            }
            arguments['tags'] = _check_entry(path, key, **arguments)  # type: ignore[arg-type]
            text = value_text(value, self.settings.dumps, f'{path}value')
            texts[key] = requests.entry_of(key, text, **arguments)  # type: ignore[arg-type]
            indexes[key] = index
            keys.append(key)
        index_of = list(indexes.values())
        batches = batches_of(list(texts.values()), lambda entry: entry.size)
        try:
            sent = await self._sender.send_all(batches, requests.set_batch, options, lambda index: index_of[index])
        finally:
            self._forget(keys)
        results = {result.key: result for results in sent for result in results}
        return [results[key] for key in keys]

    async def delete_many(self, keys: Iterable[str], options: CallOptions) -> int:
        keys = check_strings('keys', keys)
        _check_options(options, CallOptions)
        try:
            return sum(await self._sender.send_all(batches_of(keys), requests.delete_batch, options))
        finally:
            self._forget(keys)

    async def get_or_set(self, key: str, ttl: float, produce: ProduceMany, options: FillOptions) -> Any:
        check_string('key', key)
        options = _checked_fill(ttl, options)
        return await self._get_or_set.one(key, ttl, produce, options)

    async def get_or_set_many(
        self, keys: Iterable[str], ttl: float, produce_missing: ProduceMany, options: FillOptions
    ) -> List[Any]:
        keys = check_strings('keys', keys)
        options = _checked_fill(ttl, options)
        values = await self._get_or_set.many(keys, ttl, produce_missing, options)
        return [values[key] for key in keys]

    async def _send(self, request: Request[Any], options: CallOptions) -> Any:
        return await self._sender.send(self._call(options), request)

    def _call(self, options: CallOptions, timeout: Optional[float] = None) -> Call:
        _check_options(options, CallOptions)
        return self._sender.call(options, timeout)

    def _forget(self, keys: Optional[Sequence[str]] = None) -> None:
        """Calls of `get_or_set` no longer join earlier ones. Default: all of the tenant."""
        for flights in self._runtime.all_flights():
            flights.forget(self.settings.tenant, keys)


def _incomplete(cause: Union[InvalidationIncompleteError, DeadlineError], count: int) -> InvalidationIncompleteError:
    return InvalidationIncompleteError(
        'Time ran out before the invalidation was complete; repeat the call to remove the rest',
        status=cause.status,
        details={'count': count},
        correlation_id=cause.correlation_id,
        request_id=cause.request_id,
        retry_after=cause.retry_after,
    )


def _check_entry(
    path: str,
    key: str,
    ttl: Optional[float],
    grace: Optional[float],
    lease: Optional[str],
    tags: Optional[Sequence[str]],
) -> Optional[List[str]]:
    """Returns the tags as a list."""
    check_string(f'{path}key', key)
    for name, value in (('ttl', ttl), ('grace', grace)):
        if value is not None:
            check_number(f'{path}{name}', value)
    if lease is not None:
        check_string(f'{path}lease', lease)
    return None if tags is None else check_strings(f'{path}tags', tags)


def _checked_fill(ttl: float, options: FillOptions) -> FillOptions:
    """Returns the options with their tags as a list."""
    check_number('ttl', ttl)
    _check_options(options, FillOptions)
    for name in ('grace', 'lease'):
        value = options.get(name)
        if value is not None:
            check_number(name, value)
    tags, tags_of, produce_timeout = options.get('tags'), options.get('tags_of'), options.get('produce_timeout')
    if tags is not None:
        options = {**options, 'tags': check_strings('tags', tags)}
    if tags_of is not None:
        check_function('tags_of', tags_of)
    if produce_timeout is not None:
        check_timeout('produce_timeout', produce_timeout)
    return options


def _check_options(options: Any, accepted: Any) -> None:
    """Checks the options of any call: a misspelled one would otherwise be ignored."""
    for name in options:
        if name not in accepted.__annotations__ and name not in CallOptions.__annotations__:
            raise TypeError(f'unexpected option {name!r}')
    if options.get('timeout') is not None:
        check_timeout('timeout', options['timeout'])
    if options.get('correlation_id') is not None:
        check_string('correlation_id', options['correlation_id'])
    headers = options.get('headers')
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError('headers must be a mapping of strings')
