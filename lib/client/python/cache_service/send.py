"""Sends the requests of a call, with retries where they are safe."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass
from typing import Any, Callable, Coroutine, Dict, Generic, List, Optional, Sequence, Tuple, TypeVar

from .batches import send_batches
from .deadline import Deadline
from .errors import CacheError, ConnectionFailedError, GatewayError, InvalidationIncompleteError
from .http1 import HttpResponse
from .responses import ServiceResponse
from .runtime import LostConnection, Runtime, resolve
from .settings import Settings
from .types import CallOptions, Headers, Outgoing
from .values import to_bytes

T = TypeVar('T')
I = TypeVar('I')

ALWAYS = 'always'
"""Reads, removals and sets with a lease. A removal that arrives late can at worst remove a newer entry, which is a miss. A set with a
lease that arrives late is rejected if the lease has ended, and changes nothing if it was applied before."""

IF_NOT_RECEIVED = 'if-not-received'
"""Other sets and touches. A set whose response was lost may still arrive. If a retry of it succeeded, the caller would not know that the
first attempt can undo a later invalidation:

    set ------------------------------------------------> arrives: the invalidated entry is back
    set again --> arrives   invalidate --> arrives
"""

_TRANSIENT = (429, 502, 503, 504)
_BASE_DELAY_SECONDS = 0.1
_MAX_DELAY_SECONDS = 2.0


@dataclass(frozen=True)
class Request(Generic[T]):
    method: str
    target: str
    """Path and query."""
    retry: str
    read: Callable[[ServiceResponse, bool], T]
    """Converts the response to the request's result. The second argument is whether the service may also have received an earlier
    attempt, whose response was lost. Raises CacheError for a failure."""
    body: Optional[str] = None
    """JSON text."""
    on_late: Optional[Callable[[T], Coroutine[Any, Any, None]]] = None
    """Receives the result of a response that arrives after the call has ended."""


@dataclass(frozen=True)
class Call:
    """Shared by all requests of one call."""

    deadline: Deadline
    headers: Dict[str, str]
    """Names in lower case."""


class Sender:
    """Sends the requests of a client. Each method is one call: its requests share a deadline and headers."""

    def __init__(self, runtime: Runtime, settings: Settings) -> None:
        self.runtime = runtime
        self._settings = settings

    def call(self, options: CallOptions, timeout: Optional[float] = None) -> Call:
        """Starts a call. `timeout` applies unless the options contain one."""
        headers = self.headers(options)
        return self.call_with(headers, options, timeout)

    def call_with(self, headers: Dict[str, str], options: CallOptions, timeout: Optional[float] = None) -> Call:
        """Starts a call whose headers it shares with others."""
        seconds = options.get('timeout') or timeout or self._settings.timeout
        return Call(Deadline(seconds, headers['x-correlation-id']), headers)

    def headers(self, options: CallOptions) -> Dict[str, str]:
        settings = self._settings
        headers = {'x-correlation-id': str(uuid.uuid4())}
        _add(headers, settings.headers() if settings.headers else None)
        _add(headers, options.get('headers'))
        _add(headers, {'x-correlation-id': options.get('correlation_id')})
        _add(headers, {'x-tenant-id': settings.tenant, 'x-user-id': settings.user_id})
        return headers

    async def send_one(self, request: Request[T], options: CallOptions, timeout: Optional[float] = None) -> T:
        return await self.send(self.call(options, timeout), request)

    async def send_all(
        self,
        batches: Sequence[List[I]],
        request_of: Callable[[List[I]], Request[T]],
        options: CallOptions,
        caller_index: Callable[[int], int] = lambda index: index,
    ) -> List[T]:
        """As `send_batches`, within the time of one call."""
        call = self.call(options)
        return await send_batches(
            self.runtime, batches, lambda items: self.send(call, request_of(items)), caller_index
        )

    async def send(self, call: Call, request: Request[T]) -> T:
        """Sends one request and reads its response. Raises CacheError."""
        is_repeated = False
        retries = 0
        while True:
            try:
                response, was_sent_twice = await self._exchange(call, request)
                return _read(request, response, is_repeated or was_sent_twice)
            except CacheError as error:
                if retries >= self._settings.retries or not may_retry(request.retry, error):
                    raise
                delay = _retry_delay(retries, error)
                # Waiting for the deadline would replace this error by one that does not say what failed.
                if delay >= call.deadline.remaining():
                    raise
                is_repeated = is_repeated or not may_retry(IF_NOT_RECEIVED, error)
            await self.runtime.sleep(delay)
            retries += 1

    async def _exchange(self, call: Call, request: Request[T]) -> Tuple[ServiceResponse, bool]:
        """The second result is whether the request was sent again because a kept connection had ended."""
        settings, deadline = self._settings, call.deadline
        url = settings.url + request.target
        headers = {**call.headers, 'x-request-id': str(uuid.uuid4())}
        if request.body is not None:
            headers['content-type'] = 'application/json'
        outgoing = Outgoing(request.method, url, headers, to_bytes(request.body or ''))
        if settings.authorize:
            authorization = settings.authorize(outgoing)
            _add(headers, await self.runtime.within(deadline, resolve(authorization)))
        log_name = f'{request.method} {url.partition("?")[0]}'

        async def on_late(late: HttpResponse) -> None:
            if request.on_late:
                await request.on_late(_read(request, ServiceResponse(log_name, late, settings.loads), False))

        for is_fresh in (False, True):
            if deadline.remaining() <= 0:
                raise deadline.error()
            try:
                response = await self.runtime.exchange(
                    outgoing, deadline, on_late if request.on_late else None, is_fresh
                )
                return ServiceResponse(log_name, response, settings.loads), is_fresh
            except LostConnection as lost:
                if lost.was_kept and request.retry == ALWAYS and not is_fresh:
                    continue
                error = ConnectionFailedError(
                    f'The cache at {settings.url} could not be reached',
                    correlation_id=headers['x-correlation-id'],
                    request_id=headers['x-request-id'],
                    reason=lost.__cause__ and (str(lost.__cause__) or type(lost.__cause__).__name__),
                )
                error.maybe_sent = lost.maybe_sent
                raise error from lost.__cause__
        raise AssertionError('a fresh connection was not kept from an earlier request')


def _read(request: Request[T], response: ServiceResponse, is_repeated: bool) -> T:
    try:
        return request.read(response, is_repeated)
    except (LookupError, TypeError, ValueError) as error:
        status = response.http.status
        message = f'{response.request} returned data of another form than the service does'
        raise GatewayError(message, code=f'HTTP_{status}', status=status, reason=repr(error)) from error


def may_retry(policy: str, error: CacheError) -> bool:
    """Whether a request that failed with this error may be sent again."""
    # The invalidation repeats these requests itself, because it has to add up their counts.
    if isinstance(error, InvalidationIncompleteError):
        return False
    if isinstance(error, ConnectionFailedError):
        return policy == ALWAYS or not error.maybe_sent
    # A throttled request has not reached the service.
    return error.status in (_TRANSIENT if policy == ALWAYS else (429,))


def _retry_delay(retries: int, error: CacheError) -> float:
    """Seconds: Retry-After, plus a random delay up to a bound that doubles with each retry (full jitter). Clients that failed
    together therefore do not retry together."""
    bound = min(_MAX_DELAY_SECONDS, _BASE_DELAY_SECONDS * 2 ** min(retries, 10))
    return (error.retry_after or 0.0) + random.random() * bound


def _add(headers: Dict[str, str], more: Optional[Headers]) -> None:
    """Adds headers under lower-case names, replacing existing ones. Raises TypeError for one that is not a string."""
    for name, value in (more or {}).items():
        if value is None:
            continue
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f'The header {name} must be a string')
        headers[name.lower()] = value
