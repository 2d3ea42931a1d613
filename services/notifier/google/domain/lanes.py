"""Who goes first: what people wait for, then campaigns, then the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.notifier.google.domain.documents import Wanted
from shared.contracts.message import Lane

INTERACTIVE: Final = 0
CAMPAIGN: Final = 1
BACKFILL: Final = 2

FAIR_SLOT: Final = 20
"""Each so manieth slot goes to who has waited longest in the lanes behind."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job that may be done now."""

    document_id: str
    lane: int
    due_at: datetime


def lane_of(wanted: Wanted, known_version: int | None, lane: Lane) -> int:
    """Tell in which lane a pass's news goes.

    Where its version has not risen, the template is different, and with it all of its passes. Where
    it has risen in bulk, people are to hear of it or not.
    """
    if known_version is not None and wanted.version <= known_version:
        return BACKFILL
    if lane == "interactive":
        return INTERACTIVE
    return CAMPAIGN if wanted.push_version >= wanted.version else BACKFILL


def choose(candidates: Sequence[Candidate], slots: Sequence[int]) -> list[Candidate]:
    """Give each slot, named by its number, to a job; `candidates` are the first of each lane."""
    left = sorted(candidates, key=lambda one: (one.lane, one.due_at))
    chosen: list[Candidate] = []
    for slot in slots:
        if not left:
            break
        behind = [one for one in left if one.lane > left[0].lane]
        is_fair = slot % FAIR_SLOT == 0 and behind
        one = min(behind, key=lambda one: one.due_at) if is_fair else left[0]
        left.remove(one)
        chosen.append(one)
    return chosen
