"""Named points at which a process ends as with kill -9 when told to: tests try what it leaves."""

import os
import signal
from typing import Final, Literal, get_args

CrashPoint = Literal[
    "asks.sending",
    "asks.answered",
    "requests.received",
    "requests.committing",
    "requests.committed",
    "events.received",
    "events.committing",
    "events.committed",
    "outbox.publishing",
    "outbox.published",
    "receipts.asking",
    "receipts.answering",
    "receipts.noted",
    "effects.committing",
    "effects.committed",
    "runs.claimed",
    "runs.called",
    "runs.committing",
    "deliveries.claimed",
    "deliveries.posted",
    "pushes.claimed",
    "pushes.sent",
    "google.claimed",
    "google.sent",
    "batches.leased",
    "batches.done",
]
"""What was done last, or is done next; all others of its kind wait for neither."""

CRASH_POINTS: Final[frozenset[str]] = frozenset(get_args(CrashPoint))

_armed = ""
_left = 0


def check_crash_at(text: str) -> str:
    """Refuse what is not a point, or a point and how often it is passed, as `outbox.published:20`.

    The process ends when it comes there for that time; without a number the first time.
    """
    point, _, count = text.partition(":")
    if point not in CRASH_POINTS:
        raise ValueError(f"one of {', '.join(sorted(CRASH_POINTS))} is needed")
    if count and not (count.isdecimal() and int(count) > 0):
        raise ValueError("a number above 0 is needed behind the colon")
    return text


def arm(crash_at: str | None) -> None:
    """Let this process end at a point, as `check_crash_at` understands it."""
    global _armed, _left  # noqa: PLW0603 - of the process, as the crash is
    _armed, _, count = (crash_at or "").partition(":")
    _left = int(count or 1)


def crash_point(point: CrashPoint) -> None:
    """End here if the process was armed with this point; else cost nothing worth measuring."""
    global _left  # noqa: PLW0603
    if point != _armed:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
