"""How many requests of a name came within the last second, to the moment."""

from collections import deque
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Final

from cachetools import LRUCache

MAX_NAMES: Final = 10_000
"""Of a hundred moments each, some 40 MiB at most."""


class SlidingWindows:
    """At most `limit` of each name within any `seconds`; the limit may change at any time.

    Past `most` names the one that was least recently used is forgotten and begins anew.
    """

    def __init__(
        self,
        limit: int,
        *,
        seconds: float = 1.0,
        most: int = MAX_NAMES,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.limit = limit
        self._seconds = seconds
        self._now = now
        self._moments = LRUCache[Hashable, deque[float]](most)

    def admit(self, name: Hashable) -> bool:
        """Count one, unless that would be one too many: what is refused does not count."""
        moment = self._now()
        moments = self._moments.get(name)
        if moments is None:
            moments = self._moments[name] = deque()
        while moments and moments[0] <= moment - self._seconds:
            moments.popleft()
        if len(moments) >= self.limit:
            return False
        moments.append(moment)
        return True
