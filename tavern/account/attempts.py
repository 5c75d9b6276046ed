"""How often an address, or a network that one person holds, has tried of late: many tries wait, whoever they name."""

from __future__ import annotations

import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable

_MOST_ADDRESSES = 10_000


class Attempts:
    """At most `most` of an address within `seconds`, as far as this process knows."""

    def __init__(self, *, most: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """After which it may try again; 0: now."""
        times = self._recent(address)
        return math.ceil(times[0] + self._seconds - self._clock()) if len(times) >= self._most else 0

    def note(self, address: str) -> None:
        times = self._recent(address)
        times.append(self._clock())
        self._times[address] = times
        self._times.move_to_end(address)
        while len(self._times) > _MOST_ADDRESSES:
            self._times.popitem(last=False)

    def _recent(self, address: str) -> deque[float]:
        times = self._times.get(address, deque(maxlen=self._most))
        while times and times[0] <= self._clock() - self._seconds:
            times.popleft()
        return times
