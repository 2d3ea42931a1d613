"""Google's clock."""

from datetime import UTC, datetime, timedelta


def real_now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - what the machines of others say too


class Clock:
    """Goes with the real time until it is stopped; then only as it is told."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        return (self._stopped_at or real_now()) + self._ahead

    def stop(self, at: datetime | None = None) -> None:
        """Stand still, at this moment or the present one."""
        self._stopped_at, self._ahead = at or self.now(), timedelta()

    def go(self) -> None:
        """Go on from here."""
        self._ahead = self.now() - real_now()
        self._stopped_at = None

    def advance(self, **duration: float) -> None:
        """Go forward: `advance(hours=24)`."""
        self._ahead += timedelta(**duration)
