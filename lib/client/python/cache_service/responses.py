"""Reads the service's envelope."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Dict, Optional, Tuple, cast

from .errors import CLASSES_BY_CODE, CacheError, GatewayError, NotFoundError
from .http1 import HttpResponse
from .values import Loads


@dataclass(frozen=True)
class ServiceResponse:
    request: str
    """Method and URL of the request. The query is left out because it contains the key."""
    http: HttpResponse
    loads: Loads


Members = Dict[str, Any]


def read_data(response: ServiceResponse) -> Members:
    """The `data` of a success. Raises CacheError for any other response."""
    body, error = _body_of(response)
    if 200 <= response.http.status < 300 and body.get('success') is True and isinstance(body.get('data'), dict):
        data: Members = body['data']
        return data
    raise _error_of(response, body, error) from error


def read_nothing(response: ServiceResponse) -> None:
    """Accepts a 204. Raises CacheError for any other response."""
    if response.http.status != 204:
        body, error = _body_of(response)
        raise _error_of(response, body, error) from error


def read_health(response: ServiceResponse) -> Members:
    """The health report, also of an unhealthy service (503). Raises CacheError for any other response."""
    body, error = _body_of(response)
    if response.http.status in (200, 503) and isinstance(body.get('status'), str):
        return body
    raise _error_of(response, body, error) from error


def _error_of(response: ServiceResponse, body: Members, cause: Optional[Exception]) -> CacheError:
    """The error that a response describes: by its envelope, or by its status if it has none."""
    status, headers = response.http.status, response.http.headers
    known: Dict[str, Any] = {
        'status': status,
        'correlation_id': _text(body.get('correlation_id')) or headers.get('x-correlation-id'),
        'request_id': _text(body.get('request_id')) or headers.get('x-request-id'),
        'retry_after': _retry_after(headers.get('retry-after')),
    }
    error = _members(body.get('error')) if body.get('success') is False else {}
    code = _text(error.get('code'))
    if code is None:
        text = _text(body.get('message'))
        message = f"{response.request} returned {status} without the service's envelope{f': {text}' if text else ''}"
        return GatewayError(message, code=f'HTTP_{status}', reason=cause, **known)
    error_class = CLASSES_BY_CODE.get(code, CacheError)
    message = _text(error.get('message')) or code
    if error_class is NotFoundError:
        message = f'{message}: {response.request}'
    details = _members(error.get('details'))
    retry_after_ms = details.get('retry_after_ms')
    if isinstance(retry_after_ms, (int, float)):
        # Retry-After is in whole seconds, rounded up.
        known['retry_after'] = retry_after_ms / 1000
    return error_class(message, code=code, details=details, **known)


def _body_of(response: ServiceResponse) -> Tuple[Members, Optional[Exception]]:
    """The members of a JSON object, and the parser's error if the body is not JSON."""
    try:
        return _members(response.loads(response.http.body.decode())), None
    except Exception as error:  # The caller's own `loads` may raise anything.
        return {}, error


def _members(value: Any) -> Members:
    return cast(Members, value) if isinstance(value, dict) else {}


def _text(value: Any) -> Optional[str]:
    return value if isinstance(value, str) else None


def _retry_after(header: Optional[str]) -> Optional[float]:
    """Reads Retry-After, which is seconds or a date."""
    if header is None:
        return None
    if re.fullmatch('[0-9]+', header):
        return float(header)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None
