"""The Python client of cache-service, a multi-tenant cache over HTTP.

The names below are the public interface; the modules are not. A tour of them, from the top:

- `cache`, `async_cache`: the two clients. `operations`: what they have in common, and `get_or_set` with its `leases` and `outage`
- `requests`, `responses`, `batches`, `values`: what is sent and read. `send`: calls and retries. `authorize`: tokens and signatures
- `runtime`: what `threads` and `tasks` (asyncio) do differently. `http1`, `flights`, `deadline`: what they share
"""

from .async_cache import AsyncCache
from .authorize import Bearer, Credentials, SigV4
from .cache import Cache
from .errors import (
    BackendUnavailableError,
    CacheError,
    ConnectionFailedError,
    DeadlineError,
    GatewayError,
    InternalError,
    InvalidationIncompleteError,
    LeaseLostError,
    MethodNotAllowedError,
    MissingTenantError,
    NotFoundError,
    PayloadTooLargeError,
    TenantMismatchError,
    TenantRateLimitedError,
    UnsupportedMediaTypeError,
    ValidationError,
)
from .types import (
    CallOptions,
    Entry,
    ErrorContext,
    FillOptions,
    Lease,
    LeaseLookup,
    ListedKey,
    Lookup,
    Outgoing,
    SetResult,
    Usage,
)

__all__ = [
    'AsyncCache',
    'BackendUnavailableError',
    'Bearer',
    'Cache',
    'CacheError',
    'CallOptions',
    'ConnectionFailedError',
    'Credentials',
    'DeadlineError',
    'Entry',
    'ErrorContext',
    'FillOptions',
    'GatewayError',
    'InternalError',
    'InvalidationIncompleteError',
    'Lease',
    'LeaseLookup',
    'LeaseLostError',
    'ListedKey',
    'Lookup',
    'MethodNotAllowedError',
    'MissingTenantError',
    'NotFoundError',
    'Outgoing',
    'PayloadTooLargeError',
    'SetResult',
    'SigV4',
    'TenantMismatchError',
    'TenantRateLimitedError',
    'UnsupportedMediaTypeError',
    'Usage',
    'ValidationError',
]
