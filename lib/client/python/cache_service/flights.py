"""The running calls of single flight, by tenant and key.

Single operations of a dict are atomic, so there is no lock that a forked process could inherit locked.
"""

from __future__ import annotations

from typing import Dict, Generic, Iterable, Optional, Tuple, TypeVar

F = TypeVar('F')


class Flights(Generic[F]):
    def __init__(self) -> None:
        self._running: Dict[Tuple[str, str], F] = {}

    def join(self, tenant: str, key: str, new: F) -> F:
        """The running flight for this key, or `new`, which then is the running one."""
        return self._running.setdefault((tenant, key), new)

    def remove(self, tenant: str, key: str, flight: F) -> None:
        """Removes a flight, unless another one has replaced it."""
        if self._running.get((tenant, key)) is flight:
            self._running.pop((tenant, key), None)

    def forget(self, tenant: str, keys: Optional[Iterable[str]] = None) -> None:
        """Calls that start from now on do not join the ones that are running. Default: all keys of the tenant."""
        if keys is None:
            keys = [key for owner, key in list(self._running) if owner == tenant]
        for key in keys:
            self._running.pop((tenant, key), None)

    def clear(self) -> None:
        self._running.clear()
