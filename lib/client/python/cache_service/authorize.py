"""Authorization: bearer tokens, and AWS Signature Version 4 by the standard library.

Source of the signature: IAM User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import re
import time
from typing import Any, Awaitable, Callable, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union
from urllib.parse import parse_qsl, quote, urlsplit

from .types import Outgoing

AddedHeaders = Union[Mapping[str, str], Awaitable[Mapping[str, str]]]


class Bearer:
    """Sends a bearer token such as a JWT.

    `token` is a string, or a function that is called for each request and may return a cached token. With `AsyncCache` it may be a
    coroutine function. Threads of one `Cache` call it at the same time.

    Raises:
        TypeError: for a token that is not a string, such as a variable that is not set
    """

    def __init__(self, token: Union[str, Callable[[], Union[str, Awaitable[str]]]]) -> None:
        if not isinstance(token, str) and not callable(token):
            raise TypeError('token must be a string or a function')
        self._token = token

    def __call__(self, request: Outgoing) -> AddedHeaders:
        return _then(self._token() if callable(self._token) else self._token, _bearer_header)


class Credentials(NamedTuple):
    """AWS credentials, with the attribute names of botocore's frozen credentials."""

    access_key: str
    secret_key: str
    token: Optional[str] = None
    """Temporary credentials have one."""


class SigV4:
    """Signs each request for an API with IAM authorization.

    `credentials` are `Credentials`, or a function that is called for each request and returns them or another object with the same
    attributes: `boto3.Session().get_credentials().get_frozen_credentials` fits. With `AsyncCache` it may be a coroutine function.
    `service` is `lambda` for a function URL. `now` returns epoch seconds; AWS rejects a signature whose time is off by more than
    five minutes.

    Raises:
        TypeError: if the region or the credentials are missing, which AWS would answer with a 403 that gives no reason
    """

    def __init__(
        self,
        *,
        region: str,
        credentials: Any,
        service: str = 'execute-api',
        now: Callable[[], float] = time.time,
    ) -> None:
        if not isinstance(region, str) or not region:
            raise TypeError('region must be a string')
        if not callable(credentials):
            _check_credentials(credentials)
        self._region, self._service, self._now = region, service, now
        self._credentials = credentials

    def __call__(self, request: Outgoing) -> AddedHeaders:
        credentials = self._credentials() if callable(self._credentials) else self._credentials
        return _then(credentials, lambda current: self._sign(request, current))

    def _sign(self, request: Outgoing, credentials: Any) -> Mapping[str, str]:
        _check_credentials(credentials)
        at = time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(self._now()))
        added = {'x-amz-date': at}
        if credentials.token:
            added['x-amz-security-token'] = credentials.token
        signed = _signed_headers(request, added)
        names = ';'.join(name for name, _ in signed)
        canonical = '\n'.join(
            [
                request.method,
                _canonical_path(request.url),
                _canonical_query(request.url),
                *(f'{name}:{value}' for name, value in signed),
                '',
                names,
                hashlib.sha256(request.body).hexdigest(),
            ]
        )
        scope = [at[:8], self._region, self._service, 'aws4_request']
        key = f'AWS4{credentials.secret_key}'.encode()
        for part in scope:
            key = _hmac(key, part)
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        signature = _hmac(key, '\n'.join([_ALGORITHM, at, '/'.join(scope), digest])).hex()
        credential = f'{credentials.access_key}/{"/".join(scope)}'
        authorization = f'{_ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}'
        return {**added, 'authorization': authorization}


_ALGORITHM = 'AWS4-HMAC-SHA256'

# Headers to sign besides `host` and `x-amz-*`. Others are left out because they may change on the way: instrumentation replaces
# `traceparent`, and proxies add or replace headers.
_SIGNED = frozenset(['content-type', 'x-tenant-id', 'x-user-id'])


def _signed_headers(request: Outgoing, added: Dict[str, str]) -> List[Tuple[str, str]]:
    """Names and values of the headers to sign, sorted by name."""
    headers = {**request.headers, **added, 'host': urlsplit(request.url).netloc}
    return sorted(
        (name, re.sub(r'[ \t]+', ' ', value).strip(' '))
        for name, value in headers.items()
        if name == 'host' or name in _SIGNED or name.startswith('x-amz-')
    )


def _canonical_path(url: str) -> str:
    """The path without empty segments, with each segment encoded a second time."""
    path = re.sub('/{2,}', '/', urlsplit(url).path) or '/'
    return '/'.join(quote(segment, safe='') for segment in path.split('/'))


def _canonical_query(url: str) -> str:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return '&'.join(f'{name}={value}' for name, value in sorted((quote(n, safe=''), quote(v, safe='')) for n, v in pairs))


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _check_credentials(credentials: Any) -> None:
    for name in ('access_key', 'secret_key'):
        if not isinstance(getattr(credentials, name, None), str):
            raise TypeError(f'credentials.{name} must be a string')


def _bearer_header(token: Any) -> Mapping[str, str]:
    if not isinstance(token, str):
        raise TypeError('token must be a string')
    return {'authorization': f'Bearer {token}'}


def _then(value: Any, use: Callable[[Any], Mapping[str, str]]) -> AddedHeaders:
    """Applies `use` to a value, or to what an awaitable returns."""
    if not inspect.isawaitable(value):
        return use(value)

    async def use_later() -> Mapping[str, str]:
        return use(await value)

    return use_later()
