"""Time limit of a piece of work."""

from __future__ import annotations

import time
from typing import Optional

from .errors import DeadlineError


_MAX_SECONDS = 10_000_000.0
"""Sockets do not accept a timeout of centuries."""


class Deadline:
    """`work` is the subject of the error message."""

    def __init__(self, seconds: float, correlation_id: Optional[str] = None, work: str = 'The call') -> None:
        self._seconds = seconds
        self._monotonic = time.monotonic() + min(seconds, _MAX_SECONDS)
        self._correlation_id = correlation_id
        self._work = work

    def remaining(self) -> float:
        """Seconds; negative after the deadline."""
        return self._monotonic - time.monotonic()

    def error(self) -> DeadlineError:
        message = f'{self._work} took longer than {self._seconds:g} s'
        return DeadlineError(message, correlation_id=self._correlation_id)
