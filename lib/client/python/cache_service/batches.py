"""Splits lists into batches that the service accepts, and sends them."""

from __future__ import annotations

from typing import Any, Callable, Coroutine, Dict, List, NamedTuple, Sequence, Tuple, TypeVar

from .errors import PayloadTooLargeError, ValidationError
from .runtime import Runtime
from .values import dumps, to_bytes

I = TypeVar('I')
R = TypeVar('R')

_MAX_ITEMS = 100
"""The service's limit of keys or items in a batch."""

_MAX_BYTES = 5 * 1024**2
"""Bytes of values in a batch that the service accepts with any settings."""

_MAX_REST_BYTES = 512 * 1024
"""Bytes of everything but the values in a batch. The service accepts a little more. Only tags can reach it."""


class Size(NamedTuple):
    """What an item adds to the body of a batch."""

    bytes: int
    rest_bytes: int
    """Without its value."""


def size_of(text: str, rest: str) -> Size:
    """The size of a JSON text as an escaped string, because Lambda receives the request's body as a string in the JSON of its event.

    `rest` is the text without its value.
    """
    return Size(len(to_bytes(dumps(text))), len(to_bytes(rest)))


def batches_of(items: Sequence[I], size: Callable[[I], Size] = lambda item: Size(0, 0)) -> List[List[I]]:
    """Splits a list, in order."""
    batches: List[List[I]] = []
    value_bytes = rest_bytes = 0
    for item in items:
        added = size(item)
        value_bytes += added.bytes
        rest_bytes += added.rest_bytes
        fits = value_bytes <= _MAX_BYTES and rest_bytes <= _MAX_REST_BYTES
        if batches and len(batches[-1]) < _MAX_ITEMS and fits:
            batches[-1].append(item)
        else:
            batches.append([item])
            value_bytes, rest_bytes = added
    return batches


Send = Callable[[List[I]], Coroutine[Any, Any, R]]
CallerIndex = Callable[[int], int]
"""Converts an index in the concatenated batches to the index in the caller's list."""


async def send_batches(
    runtime: Runtime,
    batches: Sequence[List[I]],
    send: Send[I, R],
    caller_index: CallerIndex = lambda index: index,
) -> List[R]:
    """Sends batches. Returns the results in order: a batch that had to be split has several.

    Raises:
        ValidationError: with the caller's indexes in its issues
    """

    def work(items: List[I], first: int) -> Callable[[], Coroutine[Any, Any, List[R]]]:
        return lambda: _send_fitting(items, send, lambda index: caller_index(first + index))

    works: List[Callable[[], Coroutine[Any, Any, List[R]]]] = []
    first = 0
    for items in batches:
        works.append(work(items, first))
        first += len(items)
    return [result for results in await runtime.gather(works) for result in results]


async def _send_fitting(items: List[I], send: Send[I, R], caller_index: CallerIndex) -> List[R]:
    """Sends a batch. If the service reports that only the first items fit, sends those and then the rest."""
    try:
        return [await send(items)]
    except ValidationError as error:
        raise renumbered(error, caller_index) from error.__cause__
    except PayloadTooLargeError as error:
        fitting = fitting_of(error, len(items))
        if fitting == 0:
            raise
    first = await _send_fitting(items[:fitting], send, caller_index)
    return first + await _send_fitting(items[fitting:], send, lambda index: caller_index(fitting + index))


def fitting_of(error: Exception, length: int) -> int:
    """Number of the first items of a batch that can be sent alone, if the batch is too large and can be split; or else 0."""
    fitting = (isinstance(error, PayloadTooLargeError) and error.fitting) or 0
    return fitting if 1 <= fitting < length else 0


def renumbered(
    error: ValidationError, caller_index: CallerIndex, lists: Tuple[str, ...] = ('keys', 'items')
) -> ValidationError:
    """Replaces the batch's indexes in fields such as `keys.3` or `items.3.ttl` by the caller's. `lists` are names of what was split."""
    issues: List[Dict[str, str]] = []
    for issue in error.issues:
        name, _, rest = issue['field'].partition('.')
        index, dot, member = rest.partition('.')
        if name in lists and index.isdigit():
            issue = {**issue, 'field': f'{name}.{caller_index(int(index))}{dot}{member}'}
        issues.append(issue)
    # The message contains the first issue.
    message = str(error)
    if issues:
        message = message.replace(f'{error.issues[0]["field"]} ', f'{issues[0]["field"]} ')
    return ValidationError(
        message,
        status=error.status,
        details={**error.details, 'issues': issues},
        correlation_id=error.correlation_id,
        request_id=error.request_id,
        retry_after=error.retry_after,
    )
