"""JSON text of values and of requests."""

from __future__ import annotations

import json
from typing import Any, Callable, Optional, Sequence, Union

Dumps = Callable[[Any], Union[str, bytes]]
"""Writes a value as JSON text."""
Loads = Callable[[str], Any]
"""Parses whole responses."""


def dumps(value: Any) -> str:
    """Writes JSON as compactly as possible. Raises ValueError for NaN and Infinity, which are not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(',', ':'))


def value_text(value: Any, dumps: Dumps, name: str = 'value') -> str:
    """The JSON text of a caller's value.

    Raises:
        TypeError: for what JSON, or the caller's `dumps`, cannot represent: datetime, Decimal, bytes, NaN, Infinity, a cycle
    """
    try:
        text = dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f'{name} must be serializable as JSON: {error}') from error
    text = text.decode() if isinstance(text, bytes) else text
    if not isinstance(text, str):
        raise TypeError(f'{name} must be serializable as JSON: dumps returned {type(text).__name__}')
    return text


def parsed_value(text: str, loads: Loads) -> Any:
    """The value that a later lookup will return: a caller's own `loads` sees the text at the same depth as in a response."""
    return loads(f'{{"data":{{"value":{text}}}}}')['data']['value']


def entry_text(
    key: str,
    value: str,
    ttl: Optional[float],
    grace: Optional[float],
    lease: Optional[str],
    tags: Optional[Sequence[str]],
) -> str:
    """An entry of a request's body. `value` is JSON text."""
    options = members(ttl=ttl, grace=grace, lease=lease, tags=None if tags is None else list(tags))
    return f'{{"key":{dumps(key)},"value":{value}{"" if options == "{}" else ","}{options[1:]}'


def members(**values: Any) -> str:
    """The JSON text of an object without the members that are None."""
    return dumps({name: value for name, value in values.items() if value is not None})


def to_bytes(text: str) -> bytes:
    """UTF-8. Half a surrogate pair, which UTF-8 cannot represent, becomes JSON's escape sequence for it."""
    return text.encode('utf-8', 'backslashreplace')
