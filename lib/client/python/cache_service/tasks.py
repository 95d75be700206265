"""The runtime of `AsyncCache`: asyncio.

Connections, tasks and flights belong to an event loop, so each loop has its own.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from typing import Any, Callable, Coroutine, Deque, Dict, List, Optional, Sequence, Set, TypeVar
from urllib.parse import urlsplit

from .deadline import Deadline
from .flights import Flights
from .http1 import HttpResponse, ProtocolError, ResponseParser, encode_request
from .runtime import CONCURRENCY, LATE_SECONDS, RELEASE_SECONDS, LostConnection, OnLate, Work
from .threads import MAX_IDLE_SECONDS, is_readable
from .types import Outgoing

T = TypeVar('T')

_READ_BYTES = 256 * 1024


class Reader(asyncio.StreamReader):
    """Knows whether bytes have arrived that nobody has read."""

    unread_bytes = 0

    def feed_data(self, data: bytes) -> None:
        self.unread_bytes += len(data)
        super().feed_data(data)

    async def read(self, n: int = -1) -> bytes:
        data = await super().read(n)
        self.unread_bytes -= len(data)
        return data


class Connection:
    def __init__(self, reader: Reader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._last_used_monotonic = time.monotonic()

    def is_expired(self) -> bool:
        return time.monotonic() - self._last_used_monotonic > MAX_IDLE_SECONDS

    def is_usable(self) -> bool:
        """As `is_usable` of a connection of `Cache`. The socket shows what the event loop has not seen yet."""
        reader, writer = self._reader, self._writer
        if self.is_expired() or reader.unread_bytes or reader.at_eof() or reader.exception() or writer.is_closing():
            return False
        return not is_readable(writer.get_extra_info('socket'))

    async def exchange(self, data: bytes, parser: ResponseParser) -> HttpResponse:
        # Not drained: the request is in memory anyway, and a server may respond before it has read all of it.
        self._writer.write(data)
        while True:
            response = parser.feed(await self._reader.read(_READ_BYTES))
            if response is not None:
                self._last_used_monotonic = time.monotonic()
                return response

    def close(self) -> None:
        self._writer.close()


class Flight:
    """Work with one or more waiting tasks. It is cancelled when the last of them stops waiting."""

    def __init__(self) -> None:
        self.task: Optional[asyncio.Task[Any]] = None
        self.waiters = 0


class TaskWork:
    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task

    async def finish(self) -> None:
        await self.task

    async def cancel(self) -> None:
        self.task.cancel()
        await asyncio.wait({self.task})


class LoopState:
    def __init__(self, max_connections: int) -> None:
        self.slots = asyncio.Semaphore(max_connections)
        self.idle: Deque[Connection] = deque()
        self.flights: Flights[Flight] = Flights()
        self.background: Set[asyncio.Task[Any]] = set()
        """asyncio itself holds tasks by weak references only."""


class TaskRuntime:
    def __init__(self, url: str, ssl_context: Optional[ssl.SSLContext], max_connections: int) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ''
        self._is_tls = parts.scheme == 'https'
        self._port = parts.port or (443 if self._is_tls else 80)
        self._ssl_context = ssl_context
        self._max_connections = max_connections
        self._states: Dict[asyncio.AbstractEventLoop, LoopState] = {}

    async def exchange(
        self, request: Outgoing, deadline: Deadline, on_late: Optional[OnLate], is_fresh: bool
    ) -> HttpResponse:
        exchange = asyncio.ensure_future(self._exchange(encode_request(request), is_fresh))
        is_left = False
        try:
            await asyncio.wait({exchange}, timeout=max(0.0, deadline.remaining()))
            if exchange.done():
                return exchange.result()
            is_left = on_late is not None
            raise deadline.error()
        except asyncio.CancelledError:
            is_left = on_late is not None
            raise
        finally:
            if on_late is not None and is_left:
                self.run_in_background(self._wait_for_late(exchange, on_late))
            else:
                _drop(exchange)

    async def sleep(self, seconds: float, works: Sequence[Work] = ()) -> None:
        end_monotonic = time.monotonic() + seconds
        tasks = [work.task for work in works if isinstance(work, TaskWork)]
        running = [task for task in tasks if not task.done()]
        if running:
            await asyncio.wait(running, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(max(0.0, end_monotonic - time.monotonic()))

    async def within(self, deadline: Deadline, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task}, timeout=max(0.0, deadline.remaining()))
            if task.done():
                return task.result()
            raise deadline.error()
        finally:
            # Does not wait for a producer that ignores its cancellation.
            _drop(task)

    async def gather(self, works: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> List[T]:
        if len(works) == 1:
            return [await works[0]()]
        slots = asyncio.Semaphore(CONCURRENCY)

        async def limited(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
            async with slots:
                return await work()

        tasks = [asyncio.ensure_future(limited(work)) for work in works]
        try:
            return list(await asyncio.gather(*tasks))
        except BaseException:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    async def complete(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._keep(asyncio.ensure_future(work))
        deadline = Deadline(RELEASE_SECONDS)
        cancelled: Optional[asyncio.CancelledError] = None
        while not task.done() and deadline.remaining() > 0:
            try:
                await asyncio.wait({task}, timeout=max(0.0, deadline.remaining()))
            except asyncio.CancelledError as error:  # Such as that of all tasks when `asyncio.run` ends.
                cancelled = error
        if cancelled:
            raise cancelled

    def start(self, work: Coroutine[Any, Any, None]) -> Work:
        return TaskWork(asyncio.ensure_future(work))

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        self._keep(asyncio.ensure_future(work))

    def _keep(self, task: asyncio.Task[Any]) -> asyncio.Task[Any]:
        """Lets `close` wait for a task. Its errors are ignored."""
        background = self._state().background
        background.add(task)

        def end(ended: asyncio.Task[Any]) -> None:
            background.discard(ended)
            _retrieve(ended)

        task.add_done_callback(end)
        return task

    async def share(
        self, tenant: str, key: str, work: Callable[[], Coroutine[Any, Any, T]], wait_seconds: float
    ) -> T:
        flights = self._state().flights
        flight = flights.join(tenant, key, Flight())
        task = flight.task
        if task is None:
            task = flight.task = asyncio.ensure_future(work())
            task.add_done_callback(lambda ended: (flights.remove(tenant, key, flight), _retrieve(ended)))
        flight.waiters += 1
        try:
            result: T = await asyncio.shield(task)
            return result
        finally:
            flight.waiters -= 1
            if flight.waiters == 0 and not task.done():
                flights.remove(tenant, key, flight)
                task.cancel()
                # The event loop may end after this call, and the lease has to be released before.
                await asyncio.wait({self._keep(task)}, timeout=RELEASE_SECONDS)

    def all_flights(self) -> List[Flights[Any]]:
        return [state.flights for state in list(self._states.values())]

    async def close(self) -> None:
        """Waits for what runs in the background in this loop, and closes the loop's idle connections."""
        state = self._state()
        while state.background:
            await asyncio.wait(set(state.background))
        for connection in state.idle:
            connection.close()
        state.idle.clear()
        # Transports close in the next iteration of the loop.
        await asyncio.sleep(0)

    async def _exchange(self, data: bytes, is_fresh: bool) -> HttpResponse:
        state = self._state()
        async with state.slots:
            parser = ResponseParser()
            connection = None if is_fresh else _take_idle(state.idle)
            was_kept = connection is not None
            if connection is None:
                try:
                    connection = await self._connect()
                except OSError as error:
                    raise LostConnection(maybe_sent=False, was_kept=False) from error
            is_kept = False
            try:
                response = await connection.exchange(data, parser)
                is_kept = response.keeps_alive
                return response
            except (OSError, ProtocolError) as error:
                raise LostConnection(maybe_sent=True, was_kept=was_kept and not parser.has_begun) from error
            finally:
                if is_kept:
                    while state.idle and state.idle[0].is_expired():
                        state.idle.popleft().close()
                    state.idle.append(connection)
                else:
                    connection.close()

    async def _connect(self) -> Connection:
        if self._is_tls and self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        context = self._ssl_context if self._is_tls else None
        loop = asyncio.get_running_loop()
        reader = Reader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport, _ = await loop.create_connection(lambda: protocol, self._host, self._port, ssl=context)
        return Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))

    async def _wait_for_late(self, exchange: asyncio.Future[HttpResponse], on_late: OnLate) -> None:
        try:
            await asyncio.wait({exchange}, timeout=LATE_SECONDS)
            if exchange.done():
                await on_late(exchange.result())
        finally:
            _drop(exchange)

    def _state(self) -> LoopState:
        loop = asyncio.get_running_loop()
        state = self._states.get(loop)
        if state is None:
            for other in list(self._states):
                if other.is_closed():
                    self._states.pop(other, None)
            state = self._states.setdefault(loop, LoopState(self._max_connections))
        return state


def _take_idle(idle: Deque[Connection]) -> Optional[Connection]:
    while idle:
        connection = idle.pop()
        if connection.is_usable():
            return connection
        connection.close()
    return None


def _drop(task: asyncio.Future[Any]) -> None:
    """Cancels a task unless it is done. Nobody waits for it any more."""
    task.cancel()
    task.add_done_callback(_retrieve)


def _retrieve(task: asyncio.Future[Any]) -> None:
    """Without it, asyncio would log that the task's error was never retrieved."""
    if not task.cancelled():
        task.exception()
