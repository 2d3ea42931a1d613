"""What Google counts: requests a second of a project, notices a day of a card."""

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

NOTICES_A_DAY: Final = 3
DAY: Final = timedelta(hours=24)


class RequestQuota:
    """A bucket of one second's requests for each project; it fills evenly."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def take(self, project: str, a_second: int, now: datetime) -> bool:
        """Take a request out, if there is one left."""
        left, since = self._buckets.get(project, (float(a_second), now))
        left = min(a_second, left + (now - since).total_seconds() * a_second)
        # A client that keeps the pace to the microsecond must not fail of a rounding.
        is_left = left > 1 - 1e-6
        self._buckets[project] = (left - 1 if is_left else left, now)
        return is_left


class NoticeQuota:
    """When holders of a card were last notified, or those of a class."""

    def __init__(self) -> None:
        self._times: defaultdict[str, list[datetime]] = defaultdict(list)

    def left(self, id_: str, now: datetime) -> int:
        """Count the notices that may still be given in the day that ends now."""
        return NOTICES_A_DAY - sum(now - time < DAY for time in self._times[id_])

    def spend(self, id_: str, now: datetime) -> None:
        self._times[id_] = [*(time for time in self._times[id_] if now - time < DAY), now]
