"""The runtime of `Cache`: blocks the calling thread.

Threads share kept connections, and one uses a connection at a time. A forked process starts without those of its parent: it would read
the responses to the parent's requests.
"""

from __future__ import annotations

import contextvars
import os
import select
import socket
import ssl
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Future, wait
from typing import Any, Callable, Coroutine, Deque, List, Optional, Sequence, TypeVar
from urllib.parse import urlsplit

from .deadline import Deadline
from .flights import Flights
from .http1 import HttpResponse, ProtocolError, ResponseParser, encode_request
from .runtime import LATE_SECONDS, LostConnection, OnLate, Work
from .types import Outgoing

T = TypeVar('T')

MAX_IDLE_SECONDS = 30.0
"""A connection that was idle for longer is not used again: a server or a proxy may have closed it."""

_READ_BYTES = 256 * 1024


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine of the client to its end."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    work.close()
    raise TypeError('A function returned an awaitable; use AsyncCache')


def is_readable(sock: Any) -> bool:
    """Whether the socket has received bytes that nobody has read, or was closed by the server."""
    if not hasattr(select, 'poll'):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Connection:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._last_used_monotonic = time.monotonic()

    def is_expired(self) -> bool:
        return time.monotonic() - self._last_used_monotonic > MAX_IDLE_SECONDS

    def is_usable(self) -> bool:
        """Whether the server has kept it, as far as this machine knows: a connection that has been closed has data to read."""
        return not (self.is_expired() or is_readable(self._sock))

    def send(self, data: bytes, deadline: Deadline) -> None:
        self._sock.settimeout(max(deadline.remaining(), 0.001))
        try:
            self._sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server may have rejected the request before it was complete, and its response can still be read.

    def receive(self, parser: ResponseParser, deadline: Deadline) -> HttpResponse:
        """Raises socket.timeout at the deadline. Another call with the same parser then continues."""
        while True:
            remaining = deadline.remaining()
            if remaining <= 0:
                raise socket.timeout
            self._sock.settimeout(remaining)
            response = parser.feed(self._sock.recv(_READ_BYTES))
            if response is not None:
                self._last_used_monotonic = time.monotonic()
                return response

    def close(self) -> None:
        self._sock.close()


class InlineWork:
    """Work that a thread has done at once."""

    async def finish(self) -> None:
        pass

    async def cancel(self) -> None:
        pass


class ThreadRuntime:
    def __init__(self, url: str, ssl_context: Optional[ssl.SSLContext], max_idle: int) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ''
        self._is_tls = parts.scheme == 'https'
        self._port = parts.port or (443 if self._is_tls else 80)
        self._ssl_context = ssl_context
        # The one that was used last is used next, so that those which are not needed become idle. Single operations are atomic.
        self._idle: Deque[Connection] = deque(maxlen=max_idle)
        self._flights: Flights[Future[Any]] = Flights()
        _runtimes.add(self)

    async def exchange(
        self, request: Outgoing, deadline: Deadline, on_late: Optional[OnLate], is_fresh: bool
    ) -> HttpResponse:
        data = encode_request(request)
        parser = ResponseParser()
        connection = None if is_fresh else self._take_idle()
        was_kept = connection is not None
        if connection is None:
            try:
                connection = self._connect(deadline)
            except socket.timeout:
                raise deadline.error() from None
            except OSError as error:
                raise LostConnection(maybe_sent=False, was_kept=False) from error
        is_left = False
        try:
            connection.send(data, deadline)
            response = connection.receive(parser, deadline)
        except socket.timeout:
            if on_late is not None:
                is_left = True
                self._wait_for_late(connection, parser, on_late)
            raise deadline.error() from None
        except (OSError, ProtocolError) as error:
            raise LostConnection(maybe_sent=True, was_kept=was_kept and not parser.has_begun) from error
        except BaseException:
            if on_late is not None:  # Such as KeyboardInterrupt.
                is_left = True
                self._wait_for_late(connection, parser, on_late)
            raise
        else:
            is_left = response.keeps_alive
            if is_left:
                self._keep(connection)
            return response
        finally:
            if not is_left:
                connection.close()

    async def sleep(self, seconds: float, works: Sequence[Work] = ()) -> None:
        time.sleep(seconds)

    async def within(self, deadline: Deadline, work: Coroutine[Any, Any, T]) -> T:
        return await work

    async def gather(self, works: Sequence[Callable[[], Coroutine[Any, Any, T]]]) -> List[T]:
        return [await work() for work in works]

    async def complete(self, work: Coroutine[Any, Any, None]) -> None:
        await work

    def start(self, work: Coroutine[Any, Any, None]) -> Work:
        run(work)
        return InlineWork()

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        def run_quietly() -> None:
            try:
                run(work)
            except Exception:
                pass  # Was reported.

        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run_quietly,), name='cache-service').start()

    async def share(
        self, tenant: str, key: str, work: Callable[[], Coroutine[Any, Any, T]], wait_seconds: float
    ) -> T:
        own: Future[Any] = Future()
        deadline = Deadline(wait_seconds, work='The wait for the value that another thread produces')
        while True:
            flight = self._flights.join(tenant, key, own)
            if flight is own:
                break
            wait([flight], max(0.0, deadline.remaining()))
            if not flight.done():
                self._flights.remove(tenant, key, flight)
                raise deadline.error()
            if not isinstance(flight.exception(), _Interrupted):
                shared: T = flight.result()
                return shared
        try:
            result = await work()
        except BaseException as error:
            self._flights.remove(tenant, key, own)
            own.set_exception(error if isinstance(error, Exception) else _Interrupted())
            raise
        self._flights.remove(tenant, key, own)
        own.set_result(result)
        return result

    def all_flights(self) -> List[Flights[Any]]:
        return [self._flights]

    def close(self) -> None:
        """Closes the idle connections."""
        while True:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def forget_parent(self) -> None:
        """In a forked process: the parent has the connections, and the threads that run the flights."""
        self.close()
        self._flights.clear()

    def _take_idle(self) -> Optional[Connection]:
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.is_usable():
                return connection
            connection.close()

    def _keep(self, connection: Connection) -> None:
        try:
            # Another thread may take the expired one meanwhile. Then one that is not in use is closed, which is no harm.
            while self._idle[0].is_expired():
                self._idle.popleft().close()
        except IndexError:
            pass  # None is idle.
        if len(self._idle) == self._idle.maxlen:
            connection.close()
        else:
            self._idle.append(connection)

    def _connect(self, deadline: Deadline) -> Connection:
        """Tries the host's addresses, within the deadline. The name is resolved first, in the time that the system takes."""
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f'{self._host} has no address')
        for index, (family, kind, protocol, _, address) in enumerate(addresses):
            remaining = deadline.remaining()
            if remaining <= 0:
                raise socket.timeout
            sock = socket.socket(family, kind, protocol)
            try:
                # An address that does not answer leaves time for the others.
                sock.settimeout(max(remaining / (len(addresses) - index), 0.001))
                sock.connect(address)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return Connection(self._secure(sock, deadline) if self._is_tls else sock)
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
        raise failure

    def _secure(self, sock: socket.socket, deadline: Deadline) -> ssl.SSLSocket:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
        sock.settimeout(max(deadline.remaining(), 0.001))
        return self._ssl_context.wrap_socket(sock, server_hostname=self._host)

    def _wait_for_late(self, connection: Connection, parser: ResponseParser, on_late: OnLate) -> None:
        def receive() -> None:
            try:
                response = connection.receive(parser, Deadline(LATE_SECONDS))
                run(on_late(response))
            except Exception:
                pass  # There is no lease to release, or it ends by itself.
            finally:
                connection.close()

        threading.Thread(target=receive, name='cache-service-late', daemon=True).start()


class _Interrupted(Exception):
    """The thread that ran a flight got a KeyboardInterrupt or another error that is not for the others."""


_runtimes: 'weakref.WeakSet[ThreadRuntime]' = weakref.WeakSet()


def _forget_parent() -> None:
    for runtime in list(_runtimes):
        runtime.forget_parent()


if hasattr(os, 'register_at_fork'):
    os.register_at_fork(after_in_child=_forget_parent)
