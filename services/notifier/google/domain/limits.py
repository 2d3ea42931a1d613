"""The pace that Google allows a project: when a slot comes, and how far ahead they are taken."""

from dataclasses import dataclass
from math import ceil
from typing import Final

AHEAD_SECONDS: Final = 0.06
"""So far ahead slots are taken at most: what people wait for comes soon, and a transaction fits."""

MAX_SPACING_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Limit:
    """How a project stands at this moment; its row is locked."""

    project_id: str
    slots: int
    """How many were taken in all."""
    wait: float
    """Seconds to the next slot."""
    frozen: float
    """Seconds for which Google wants to hear nothing."""
    slowness: float

    def spacing(self, rate: float) -> float:
        """Tell the seconds between two slots, at so many a second usually."""
        return min(MAX_SPACING_SECONDS, self.slowness / rate)

    def count(self, rate: float) -> int:
        """Tell how many slots may be taken now."""
        if self.frozen > 0:
            return 0
        return max(0, ceil((AHEAD_SECONDS - self.wait) / self.spacing(rate)))

    def pause(self) -> float:
        """Tell the seconds after which some may be taken."""
        return max(self.frozen, self.wait - AHEAD_SECONDS, 0.0)
