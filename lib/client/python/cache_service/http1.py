"""HTTP/1.1 without input and output: both transports write and read with it.

`http.client` does not serve here. Its timeout starts again with each part of a response that arrives, so a slow response can exceed
the time of a call, and after a timeout the rest of a response cannot be read any more.
"""

from __future__ import annotations

import re
from typing import Dict, Generator, NamedTuple, Optional
from urllib.parse import urlsplit

from .types import Outgoing

_MAX_HEAD_BYTES = 64 * 1024

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FORBIDDEN = re.compile('[\r\n\0]')


class HttpResponse(NamedTuple):
    """A complete response."""

    status: int
    headers: Dict[str, str]
    """Names in lower case."""
    body: bytes
    keeps_alive: bool
    """Whether the connection can carry another request."""


class ProtocolError(Exception):
    """The response is not well-formed HTTP, or ended too early."""


def encode_request(request: Outgoing) -> bytes:
    """The bytes of a request. Raises ValueError that names an invalid header."""
    url = urlsplit(request.url)
    headers = {'host': url.netloc, **request.headers}
    if request.body or request.method == 'POST':
        headers['content-length'] = str(len(request.body))
    lines = [f'{request.method} {url.path or "/"}{"?" + url.query if url.query else ""} HTTP/1.1'.encode('ascii')]
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or _FORBIDDEN.search(value):
            raise ValueError(f'The header {name} cannot be sent: it contains a forbidden character')
        try:
            lines.append(f'{name}: {value.strip(" ")}'.encode('latin-1'))
        except UnicodeEncodeError as error:
            raise ValueError(f'The header {name} cannot be sent: {error}') from error
    return b'\r\n'.join(lines) + b'\r\n\r\n' + request.body


class ResponseParser:
    """Parses one response to a GET, POST or DELETE from the bytes that arrive."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.has_begun = False
        self._parser = self._parse()
        next(self._parser)

    def feed(self, data: bytes) -> Optional[HttpResponse]:
        """Returns the response as soon as it is complete. Empty data is the end of the connection. Raises ProtocolError."""
        self.has_begun = self.has_begun or bool(data)
        try:
            self._parser.send(data)
        except StopIteration as end:
            response: HttpResponse = end.value
            return response
        return None

    def _parse(self) -> Generator[None, bytes, HttpResponse]:
        status, headers, version = yield from self._head()
        while 100 <= status < 200:
            status, headers, version = yield from self._head()
        keeps_alive = version == 'HTTP/1.1' and 'close' not in headers.get('connection', '').lower()
        if status in (204, 304):
            body = b''
        elif 'chunked' in headers.get('transfer-encoding', '').lower():
            body = yield from self._chunks()
        elif 'content-length' in headers:
            body = yield from self._take(_integer(headers['content-length'], 10))
        else:
            keeps_alive = False
            while (yield from self._receive()):
                pass
            body = bytes(self._data)
            self._data.clear()
        # Bytes beyond the response belong to no request.
        return HttpResponse(status, headers, body, keeps_alive and not self._data)

    def _head(self) -> Generator[None, bytes, 'tuple[int, Dict[str, str], str]']:
        line = yield from self._line()
        match = re.fullmatch(r'(HTTP/1\.[01]) (\d{3})(?: .*)?', line)
        if match is None:
            raise ProtocolError(f'not a status line: {line[:80]!r}')
        headers: Dict[str, str] = {}
        size = len(line)
        while True:
            line = yield from self._line()
            if not line:
                return int(match[2]), headers, match[1]
            size += len(line)
            if size > _MAX_HEAD_BYTES:
                raise ProtocolError('the headers are too large')
            name, colon, value = line.partition(':')
            if not colon:
                raise ProtocolError(f'not a header: {line[:80]!r}')
            name, value = name.lower(), value.strip()
            headers[name] = f'{headers[name]}, {value}' if name in headers else value

    def _chunks(self) -> Generator[None, bytes, bytes]:
        body = bytearray()
        while True:
            line = yield from self._line()
            size = _integer(line.partition(';')[0].strip(), 16)
            if size == 0:
                break
            body += yield from self._take(size)
            if (yield from self._line()):
                raise ProtocolError('a chunk is longer than its size')
        while (yield from self._line()):
            pass  # Trailers.
        return bytes(body)

    def _line(self) -> Generator[None, bytes, str]:
        start = 0
        while True:
            end = self._data.find(b'\r\n', start)
            if end >= 0:
                break
            if len(self._data) > _MAX_HEAD_BYTES:
                raise ProtocolError('a line is too long')
            start = max(0, len(self._data) - 1)
            yield from self._more()
        line = bytes(self._data[:end]).decode('latin-1')
        del self._data[: end + 2]
        return line

    def _take(self, size: int) -> Generator[None, bytes, bytes]:
        while len(self._data) < size:
            yield from self._more()
        taken = bytes(self._data[:size])
        del self._data[:size]
        return taken

    def _more(self) -> Generator[None, bytes, None]:
        if not (yield from self._receive()):
            raise ProtocolError('the connection was closed before the response was complete')

    def _receive(self) -> Generator[None, bytes, bool]:
        data = yield
        self._data += data
        return bool(data)


def _integer(text: str, base: int) -> int:
    if not re.fullmatch('[0-9]+' if base == 10 else '[0-9a-fA-F]+', text):
        raise ProtocolError(f'not a size: {text[:80]!r}')
    return int(text, base)
