"""One class per failure: those that the service returns, with the codes of its contract, and those of the connection."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Type, cast

Details = Mapping[str, Any]


class CacheError(Exception):
    """Base of all errors of the client. An error of no subclass has a code that this version of the client does not know.

    The message is completed with the first issue in `details`, or with the reason that `reason` contains. Errors can be pickled.
    """

    code = 'UNKNOWN'
    """Stable identifier."""
    status: Optional[int]
    """HTTP status; None if there was no response."""
    details: Details
    """The error's `details` in the response; empty if there are none."""
    correlation_id: Optional[str]
    """The id in the service's log. Without a response: the id that was sent."""
    request_id: Optional[str]
    retry_after: Optional[float]
    """Seconds: the response's Retry-After; None if there was none."""

    def __init__(
        self,
        message: str,
        *,
        code: Optional[str] = None,
        status: Optional[int] = None,
        details: Optional[Details] = None,
        correlation_id: Optional[str] = None,
        request_id: Optional[str] = None,
        retry_after: Optional[float] = None,
        reason: object = None,
    ) -> None:
        self.details = details or {}
        super().__init__(_complete(message, self.details, reason))
        self.code = code or type(self).code
        self.status = status
        self.correlation_id = correlation_id
        self.request_id = request_id
        self.retry_after = retry_after

    def __reduce__(self) -> Any:
        # The default would call `__init__` of a caller's subclass, whose parameters may be others.
        return _unpickle, (type(self), self.args, self.__dict__)


def _unpickle(error_class: Type[CacheError], args: Any, attributes: Dict[str, Any]) -> CacheError:
    error = error_class.__new__(error_class, *args)
    error.args = args
    error.__dict__.update(attributes)
    return error


class ValidationError(CacheError):
    """400: an invalid key, value, TTL, pattern or header."""

    code = 'VALIDATION_ERROR'

    @property
    def issues(self) -> List[Dict[str, str]]:
        """The invalid fields: each has `field` (`key`, `ttl`, `keys.3`, a header's name) and `message`."""
        return _issues_of(self.details)


class MissingTenantError(CacheError):
    """401: the request contains no tenant."""

    code = 'MISSING_TENANT_ID'


class TenantMismatchError(CacheError):
    """403: the tenant is not the one in the caller's token."""

    code = 'TENANT_MISMATCH'


class NotFoundError(CacheError):
    """404: no such route. The client's `url` leads elsewhere, or to an older version of the service. A miss is not an error."""

    code = 'NOT_FOUND'


class MethodNotAllowedError(CacheError):
    """405: the path does not accept the method. The client's `url` leads to another version of the service."""

    code = 'METHOD_NOT_ALLOWED'


class LeaseLostError(CacheError):
    """409: the lease of a set has ended. Nothing was set, since the value may have been produced before an invalidation."""

    code = 'LEASE_LOST'


class PayloadTooLargeError(CacheError):
    """413: a value or a batch is larger than the service accepts."""

    code = 'PAYLOAD_TOO_LARGE'

    @property
    def max_bytes(self) -> Optional[int]:
        """The service's limit."""
        return _integer(self.details.get('max_bytes'))

    @property
    def fitting(self) -> Optional[int]:
        """Number of the batch's first items that fit together."""
        return _integer(self.details.get('fitting'))


class UnsupportedMediaTypeError(CacheError):
    """415: the body's Content-Type is not JSON."""

    code = 'UNSUPPORTED_MEDIA_TYPE'


class TenantRateLimitedError(CacheError):
    """429: the tenant has sent more requests than its limit allows. Nothing was done. The client retries after `retry_after`."""

    code = 'TENANT_RATE_LIMITED'


class InternalError(CacheError):
    """500: a fault of the service. Its log has the cause."""

    code = 'INTERNAL_SERVER_ERROR'


class BackendUnavailableError(CacheError):
    """503: the service's backend did not answer in time. A set may have succeeded nevertheless."""

    code = 'BACKEND_UNAVAILABLE'


class InvalidationIncompleteError(CacheError):
    """503: time ran out during an invalidation. Repeat the call to remove the rest."""

    code = 'INVALIDATION_INCOMPLETE'

    @property
    def count(self) -> int:
        """Number of live entries that this call has removed."""
        return _integer(self.details.get('count')) or 0


class GatewayError(CacheError):
    """A response that does not come from the service but from a proxy in front of it, such as API Gateway's own 403, 429 and 503.

    The code is `HTTP_` and the status.
    """


class ConnectionFailedError(CacheError):
    """No response: the network, the host name, the port or the certificate failed. `__cause__` is the system's error."""

    code = 'CONNECTION_FAILED'
    maybe_sent = True
    """False if no connection was made: the service cannot have received the request."""


class DeadlineError(CacheError):
    """The call took longer than its `timeout`, or `produce` took longer than `produce_timeout`.

    The service may have processed the request, or may still process it.
    """

    code = 'DEADLINE_EXCEEDED'


CLASSES_BY_CODE: Dict[str, Type[CacheError]] = {
    error_class.code: error_class
    for error_class in (
        ValidationError,
        MissingTenantError,
        TenantMismatchError,
        NotFoundError,
        MethodNotAllowedError,
        LeaseLostError,
        PayloadTooLargeError,
        UnsupportedMediaTypeError,
        TenantRateLimitedError,
        InternalError,
        BackendUnavailableError,
        InvalidationIncompleteError,
    )
}
"""The classes of the failures that the service returns, by the codes of its contract."""


def _complete(message: str, details: Details, reason: object) -> str:
    """Appends the reason unless the message contains it: log lines often have only the message."""
    field, text = '', str(reason) if reason is not None else ''
    for issue in _issues_of(details)[:1]:
        field, text = issue.get('field', ''), issue.get('message', '')
    if not text or text in message:
        return message
    return f'{message}: {field} {text}' if field else f'{message}: {text}'


def _issues_of(details: Details) -> List[Dict[str, str]]:
    issues: Any = details.get('issues')
    return cast(List[Dict[str, str]], issues) if isinstance(issues, list) else []


def _integer(value: Any) -> Optional[int]:
    """A caller's own `loads` may return numbers as another type."""
    return None if value is None else int(value)
