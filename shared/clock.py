"""The time, asked in one place so that tests can set it."""

from datetime import UTC, datetime


def now() -> datetime:
    """Tell the present moment in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place that asks
