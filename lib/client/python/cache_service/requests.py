"""The request of each operation, and how its response is read."""

from __future__ import annotations

from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple, TypeVar
from urllib.parse import quote

from .batches import Size, size_of
from .errors import ValidationError
from .responses import Members, ServiceResponse, read_data, read_health, read_nothing
from .send import ALWAYS, IF_NOT_RECEIVED, Request
from .types import Lease, LeaseLookup, ListedKey, Lookup, SetResult, Usage
from .values import entry_text, members

T = TypeVar('T')

_API = '/api/v1/cache'


def get_one(key: str) -> Request[Lookup]:
    return Request('GET', _target_of(key), ALWAYS, lambda response, _: _lookup_of(read_data(response)))


def get_batch(keys: Sequence[str]) -> Request[List[Lookup]]:
    return _post('batch/get', members(keys=list(keys)), lambda response, _: [_lookup_of(item) for item in _items(response)])


def lease_one(key: str, lease: Optional[float], tags: Optional[Sequence[str]]) -> Request[LeaseLookup]:
    body = members(key=key, lease=lease, tags=None if tags is None else list(tags))
    return _post('lease', body, lambda response, is_repeated: _lease_lookup_of(read_data(response), is_repeated))


def lease_batch(
    keys: Sequence[str], lease: Optional[float], tags: Optional[Sequence[str]]
) -> Request[List[LeaseLookup]]:
    """As `lease_one`, for several keys."""
    body = members(keys=list(keys), lease=lease, tags=None if tags is None else list(tags))
    return _post(
        'batch/get',
        body,
        lambda response, is_repeated: [_lease_lookup_of(item, is_repeated) for item in _items(response)],
    )


def release(key: str, token: str) -> Request[None]:
    return _post('lease/release', members(key=key, lease=token), lambda response, _: read_nothing(response))


class EntryText(NamedTuple):
    """An entry in a batch of sets."""

    key: str
    text: str
    """The whole entry as JSON text."""
    size: Size
    lease: Optional[str]
    """Its token. A set with a lease cannot undo an invalidation, however late it arrives."""


def entry_of(
    key: str,
    value: str,
    *,
    ttl: Optional[float],
    grace: Optional[float],
    lease: Optional[str],
    tags: Optional[Sequence[str]],
) -> EntryText:
    """`value` is JSON text."""
    text = entry_text(key, value, ttl, grace, lease, tags)
    return EntryText(key, text, size_of(text, entry_text(key, '', ttl, grace, lease, tags)), lease)


def set_one(entry: EntryText) -> Request[SetResult]:
    policy = IF_NOT_RECEIVED if entry.lease is None else ALWAYS
    return Request('POST', _API, policy, lambda response, _: _set_result_of(read_data(response)), entry.text)


def set_batch(entries: Sequence[EntryText]) -> Request[List[SetResult]]:
    policy = IF_NOT_RECEIVED if any(entry.lease is None for entry in entries) else ALWAYS
    body = f'{{"items":[{",".join(entry.text for entry in entries)}]}}'
    return _post('batch/set', body, lambda response, _: [_set_result_of(item) for item in _items(response)], policy)


def touch(key: str, ttl: float) -> Request[bool]:
    """Reads whether the entry was live."""
    body = members(key=key, ttl=ttl)
    return _post('touch', body, lambda response, _: read_data(response).get('found') is True, IF_NOT_RECEIVED)


def delete_one(key: str) -> Request[None]:
    return Request('DELETE', _target_of(key), ALWAYS, lambda response, _: read_nothing(response))


def delete_batch(keys: Sequence[str]) -> Request[int]:
    return _post('batch/delete', members(keys=list(keys)), _count_of)


def invalidate_pattern(pattern: str) -> Request[int]:
    return _post('invalidate', members(pattern=pattern), _count_of)


def invalidate_tags(tags: Sequence[str]) -> Request[int]:
    """Up to 16 tags."""
    return _post('invalidate', members(tags=list(tags)), _count_of)


def list_keys(
    tenant: str, pattern: Optional[str], tag: Optional[str], limit: int, cursor: Optional[str]
) -> Request[Tuple[List[ListedKey], Optional[str]]]:
    """Reads a page of keys, and the cursor of the next page, which is None if there are no more keys."""

    def read(response: ServiceResponse, _: bool) -> Tuple[List[ListedKey], Optional[str]]:
        data = read_data(response)
        keys = [ListedKey(each['key'], int(each['ttl']), each['stale'], each['tags']) for each in data['keys']]
        return keys, data.get('cursor')

    query = _query_of(pattern=pattern, tag=tag, limit=str(limit), cursor=cursor)
    return Request('GET', f'{_tenant_target(tenant)}/keys{query}', ALWAYS, read)


def clear(tenant: str) -> Request[None]:
    return Request('DELETE', _tenant_target(tenant), ALWAYS, lambda response, _: read_nothing(response))


def usage(tenant: str) -> Request[Usage]:
    def read(response: ServiceResponse, _: bool) -> Usage:
        data: Any = read_data(response)
        return data  # type: ignore[no-any-return]

    return Request('GET', _tenant_target(tenant), ALWAYS, read)


def health() -> Request[Dict[str, Any]]:
    return Request('GET', '/health', ALWAYS, lambda response, _: read_health(response))


def _post(path: str, body: str, read: Callable[[ServiceResponse, bool], T], retry: str = ALWAYS) -> Request[T]:
    return Request('POST', f'{_API}/{path}', retry, read, body)


def _target_of(key: str) -> str:
    """The key is sent in the query. In a path, API Gateway decodes it before routing. Raises ValidationError as `_query_of`."""
    return f'{_API}{_query_of(key=key)}'


def _query_of(**parameters: Optional[str]) -> str:
    """Raises ValidationError for half a surrogate pair, which has no percent-encoding."""
    query: List[str] = []
    for name, value in parameters.items():
        if value is None:
            continue
        try:
            query.append(f'{name}={quote(value, safe="")}')
        except UnicodeEncodeError as error:
            issues = [{'field': name, 'message': 'must be well-formed Unicode'}]
            raise ValidationError('The request is not valid', details={'issues': issues}) from error
    return f'?{"&".join(query)}'


def _tenant_target(tenant: str) -> str:
    return f'{_API}/tenant/{quote(tenant, safe="")}'


# A caller's own `loads` may return numbers as another type: `int` converts them back.


def _lookup_of(data: Members) -> Lookup:
    if not data.get('found'):
        return Lookup(data['key'], False)
    return Lookup(data['key'], True, data['value'], int(data['ttl']))


def _lease_lookup_of(data: Members, is_repeated: bool) -> LeaseLookup:
    """With `is_repeated`, the response to an earlier attempt, which may have granted the lease, was lost. The lease that another caller
    seems to have may then be this caller's own, for which it must not wait."""
    key, found, value, ttl = _lookup_of(data)
    lease, retry_after_ms = data.get('lease'), data.get('retry_after_ms')
    return LeaseLookup(
        key,
        found,
        value,
        ttl,
        stale=data.get('stale') is True,
        lease=Lease(lease['token'], int(lease['ttl'])) if lease is not None else None,
        retry_after=int(retry_after_ms) / 1000 if retry_after_ms is not None and not is_repeated else None,
    )


def _set_result_of(data: Members) -> SetResult:
    if data.get('status') == 'lease_lost':
        return SetResult(data['key'], 0, lease_lost=True)
    return SetResult(data['key'], int(data['ttl']))


def _items(response: ServiceResponse) -> List[Members]:
    items: List[Members] = read_data(response)['items']
    return items


def _count_of(response: ServiceResponse, _: bool) -> int:
    return int(read_data(response)['count'])
