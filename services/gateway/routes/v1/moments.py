"""What verdicts of both wallets have in common: when something was seen, and how it is said."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from shared.contracts.notifier import Observation

BUILD_TIME: Final = timedelta(seconds=10)
"""After so long without anything new a change can be taken to have changed nothing seen."""


def last_of(seen: Iterable[Observation], *kinds: str) -> Observation | None:
    """Find the newest of some kinds."""
    return max((one for one in seen if one.kind in kinds), key=lambda one: one.at, default=None)


def written(moment: datetime | None) -> str:
    """Write a moment for people; an unknown one as such."""
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
