"""What threads and asyncio do differently.

The client's logic exists once, as coroutines that suspend only in a `Runtime`. `AsyncCache` awaits them with the runtime in
`tasks.py`. `Cache` runs them with the one in `threads.py`, whose methods block instead of suspending, so that a coroutine runs to its
end in one step.
"""

from __future__ import annotations

import inspect
from typing import Any, Awaitable, Callable, Coroutine, List, Optional, Protocol, Sequence, TypeVar, Union

from .deadline import Deadline
from .flights import Flights
from .http1 import HttpResponse
from .types import Outgoing

T = TypeVar('T')

LATE_SECONDS = 5.0
"""For how long a request with `on_late` waits for a response after the call's deadline."""

RELEASE_SECONDS = 1.0
"""For how long a cancelled call waits for the release of its leases."""

CONCURRENCY = 4
"""Maximum number of concurrent requests of one call. `Cache` sends one at a time."""

OnLate = Callable[[HttpResponse], Coroutine[Any, Any, None]]


class LostConnection(Exception):
    """There was no response. `__cause__` is the reason."""

    def __init__(self, maybe_sent: bool, was_kept: bool) -> None:
        self.maybe_sent = maybe_sent
        """False if no connection was made."""
        self.was_kept = was_kept
        """Whether the connection was kept from an earlier request, and ended before the response began: it may have been idle for
        longer than the server keeps it."""


class Work(Protocol):
    """Work that was started."""

    async def finish(self) -> None:
        """Waits for its end. Raises what it raised."""

    async def cancel(self) -> None:
        """Ends it, unless it has ended."""


class Runtime(Protocol):
    async def exchange(
        self, request: Outgoing, deadline: Deadline, on_late: Optional[OnLate], is_fresh: bool
    ) -> HttpResponse:
        """Sends a request and returns its response.

        `on_late` receives a response that arrives after the deadline, or after the call was cancelled, within LATE_SECONDS. With
        `is_fresh`, no kept connection is used.

        Raises:
            LostConnection
            DeadlineError
        """
        ...

    async def sleep(self, seconds: float, works: Sequence[Work] = ()) -> None:
        """Sleeps. Raises what one of the works raises meanwhile, at once."""

    async def within(self, deadline: Deadline, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. asyncio cancels it at the deadline; a thread cannot. Raises DeadlineError."""
        ...

    async def gather(self, works: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> List[T]:
        """The results in order. A failure ends the rest."""
        ...

    async def complete(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs work that a cancellation must not end, such as the release of leases. In asyncio, the work runs on in the background after
        RELEASE_SECONDS. Its errors are ignored there."""

    def start(self, work: Coroutine[Any, Any, None]) -> Work:
        """Starts work beside the caller's. A thread does it at once, and raises its error."""
        ...

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Starts work that outlives the call. Its errors are ignored."""

    async def share(
        self, tenant: str, key: str, work: Callable[[], Coroutine[Any, Any, T]], wait_seconds: float
    ) -> T:
        """Single flight: the result of the running work for this key, or of `work`.

        In asyncio, work that nobody waits for any more is cancelled. A thread waits for another's work for `wait_seconds`.

        Raises:
            DeadlineError: after this time
        """
        ...

    def all_flights(self) -> 'List[Flights[Any]]':
        """The running works of `share`."""
        ...


async def resolve(value: Union[T, Awaitable[T]]) -> T:
    """The result of a caller's function, which may be a coroutine function with `AsyncCache`."""
    if inspect.isawaitable(value):
        resolved: T = await value
        return resolved
    return value  # type: ignore[return-value]
