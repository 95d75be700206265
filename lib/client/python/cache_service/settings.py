"""A client's options, checked and completed with defaults."""

from __future__ import annotations

import inspect
import json
import math
import ssl
from dataclasses import dataclass
from typing import Any, Callable, Iterable, List, Optional
from urllib.parse import quote, urlsplit

from .types import Authorize, Headers, OnError
from .values import Dumps, Loads, dumps as default_dumps

TIMEOUT = 10.0

REMOVAL_TIMEOUT = 60.0
"""Seconds: enough for two requests of 29 s, the longest that the service takes."""

FILL_TIMEOUT = 1.0
"""Seconds: three times a cold start. Producing is then faster than waiting."""

PRODUCE_TIMEOUT = 60.0
"""Seconds: longer than API Gateway waits for a response (29 s). A producer that hangs blocks its key for this time."""


@dataclass(frozen=True)
class Settings:
    url: str
    """Without a trailing slash."""
    tenant: str
    user_id: Optional[str]
    timeout: float
    produce_timeout: float
    retries: int
    authorize: Optional[Authorize]
    headers: Optional[Callable[[], Headers]]
    on_error: Optional[OnError]
    dumps: Dumps
    loads: Loads

    @property
    def removal_timeout(self) -> float:
        """For invalidations and `clear`."""
        return max(self.timeout, REMOVAL_TIMEOUT)

    @property
    def fill_timeout(self) -> float:
        """For the lookup and the set of a `get_or_set`, each."""
        return min(self.timeout, FILL_TIMEOUT)


def settings_of(
    url: str,
    tenant: str,
    *,
    user_id: Optional[str],
    timeout: float,
    produce_timeout: float,
    retries: int,
    authorize: Optional[Authorize],
    headers: Optional[Callable[[], Headers]],
    on_error: Optional[OnError],
    dumps: Optional[Dumps],
    loads: Optional[Loads],
    ssl_context: Optional[ssl.SSLContext],
    max_connections: int,
) -> Settings:
    """Raises TypeError or ValueError for an invalid option."""
    check_string('tenant', tenant)
    if user_id is not None:
        check_string('user_id', user_id)
    check_timeout('timeout', timeout)
    check_timeout('produce_timeout', produce_timeout)
    if not isinstance(retries, int) or retries < 0:
        raise ValueError('retries must be a whole number, 0 or more')
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError('ssl_context must be an ssl.SSLContext')
    check_whole('max_connections', max_connections)
    if max_connections < 1:
        raise ValueError('max_connections must be 1 or more')
    functions = {'authorize': authorize, 'headers': headers, 'on_error': on_error, 'dumps': dumps, 'loads': loads}
    for name, function in functions.items():
        if function is not None:
            check_function(name, function, may_be_coroutine=name == 'authorize')
    return Settings(
        url=base_url(url),
        tenant=tenant,
        user_id=user_id,
        timeout=timeout,
        produce_timeout=produce_timeout,
        retries=retries,
        authorize=authorize,
        headers=headers,
        on_error=on_error,
        dumps=dumps or default_dumps,
        loads=loads or json.loads,
    )


def base_url(text: str) -> str:
    """The URL as it is sent: without a trailing slash, a default port, or characters that must be encoded."""
    check_string('url', text)
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
        if url.scheme in ('http', 'https') and host and not (set('?#@') & set(text)):
            host = f'[{host}]' if ':' in host else host.encode('idna').decode('ascii')
            default = 443 if url.scheme == 'https' else 80
            netloc = host if port in (None, default) else f'{host}:{port}'
            path = quote(url.path, safe="/%:!$&'()*+,;=~").rstrip('/')
            return f'{url.scheme}://{netloc}{path}'
    except ValueError:
        pass  # Not a URL: same error as below.
    raise ValueError('url must be http: or https:, without user, query and fragment')


def check_string(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise TypeError(f'{name} must be a string')


def check_function(name: str, value: Any, may_be_coroutine: bool = False) -> None:
    if not callable(value):
        raise TypeError(f'{name} must be a function')
    is_coroutine = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(getattr(value, '__call__', None))
    if is_coroutine and not may_be_coroutine:
        raise TypeError(f'{name} must not be a coroutine function')


def check_timeout(name: str, value: Any) -> None:
    check_number(name, value)
    if value <= 0:
        raise ValueError(f'{name} must be a number of seconds above 0')


def check_number(name: str, value: Any) -> None:
    """The service checks the range, because it knows its limits."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f'{name} must be a number of seconds')
    if not math.isfinite(value):
        raise ValueError(f'{name} must be a finite number of seconds')


def check_whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f'{name} must be a whole number')


def check_strings(name: str, values: Any) -> List[str]:
    """Returns the strings as a list, because the check uses an iterator up.

    A string is a sequence of strings as well, but never what the caller means.
    """
    checked = list(values) if isinstance(values, Iterable) and not isinstance(values, (str, bytes)) else [None]
    if not all(isinstance(value, str) for value in checked):
        raise TypeError(f'{name} must be a list of strings')
    return checked
