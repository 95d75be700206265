"""Circuit breaker of `get_or_set`."""

from __future__ import annotations

import random
import time

from .errors import CacheError, ConnectionFailedError, DeadlineError

_MIN_PAUSE_SECONDS = 1.0
_MAX_PAUSE_SECONDS = 10.0


def is_unavailable(error: BaseException) -> bool:
    """Whether the next request would most likely fail for the same reason."""
    if isinstance(error, (ConnectionFailedError, DeadlineError)):
        return True
    return isinstance(error, CacheError) and error.status in (502, 503, 504)


class Outage:
    """While the cache is unavailable, calls skip the lookup instead of waiting for its timeout.

    After a pause one lookup is sent as a probe. While the probe is under way, and after it has failed, the others pause twice as long.
    Threads need no lock: at worst, two of them probe.
    """

    def __init__(self) -> None:
        self._pauses = 0
        """Since the last response. 0: the cache is available."""
        self._pause_end_monotonic = 0.0
        self._last_response_monotonic = 0.0

    def may_try(self) -> bool:
        """Whether a lookup may be sent."""
        if self._pauses == 0:
            return True
        if time.monotonic() < self._pause_end_monotonic:
            return False
        self._pause()
        return True

    def record_response(self) -> None:
        self._pauses = 0
        self._last_response_monotonic = time.monotonic()

    def record_failure(self, started_monotonic: float) -> None:
        """`started_monotonic`: start of the failed lookup. If another one got a response since, the cache is available."""
        if self._pauses == 0 and self._last_response_monotonic <= started_monotonic:
            self._pause()

    def _pause(self) -> None:
        """Half of a pause is random, so that processes that saw the same outage do not probe at the same time."""
        seconds = min(_MAX_PAUSE_SECONDS, _MIN_PAUSE_SECONDS * 2 ** min(self._pauses, 10))
        self._pauses += 1
        self._pause_end_monotonic = time.monotonic() + seconds * random.uniform(0.5, 1.0)
