"""The rules of pushes: what an answer means for a device, and when a push is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from shared.contracts.message import JsonObject

RETRY_SECONDS: Final = (1, 5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200)
"""Pauses between the ten attempts: 22 hours in all."""
JITTER: Final = 0.2
WARNED_DAYS: Final = (60, 30, 7)
"""How long before its certificate ends an account is told, once each."""

Verdict = Literal[
    "delivered", "gone", "token_refused", "slow_down", "failed", "certificate_refused", "withheld"
]

GONE_STATUS: Final = 410
SLOW_DOWN_STATUS: Final = 429
FORBIDDEN_STATUS: Final = 403
TOKEN_REASONS: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})
CERTIFICATE_REASONS: Final = frozenset({"BadTopic", "MissingTopic", "TopicDisallowed"})

DEVELOPMENT: Final = "development identity"
NO_CERTIFICATE: Final = "no valid certificate"


@dataclass(frozen=True, slots=True)
class Wake:
    """A device to be told that passes of a type are new, leased by this process."""

    device: str
    pass_type_identifier: str
    account_id: UUID
    handles: list[str]
    asked: int
    asked_at: datetime
    tries: int
    lease_until: datetime
    push_token: str | None = field(repr=False)
    kind: str | None

    @property
    def reachable(self) -> bool:
        """Whether it is for us to push: the device is still there, and it is Apple's."""
        return self.push_token is not None and self.kind == "apple"


@dataclass(frozen=True, slots=True)
class Identity:
    """One revision of a certificate with its key, sealed."""

    identity_id: UUID
    revision: int
    account_id: UUID
    pass_type_identifier: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExpiringIdentity:
    """A certificate that nothing later replaces, within so many days of its end."""

    identity_id: UUID
    revision: int
    account_id: UUID
    pass_type_identifier: str
    not_after: datetime
    days: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one push led to."""

    verdict: Verdict
    milliseconds: int = 0
    apns_id: str | None = None
    status: int | None = None
    reason: str | None = None
    gone_at: datetime | None = None

    @property
    def data(self) -> JsonObject:
        """What is kept of it with each pass."""
        facts: JsonObject = {
            "apns_id": self.apns_id,
            "status": self.status,
            "reason": self.reason,
            "milliseconds": self.milliseconds,
        }
        return {name: value for name, value in facts.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Landed:
    """A push that has ended; without a pause nothing more is to be done for its wake."""

    wake: Wake
    at: datetime
    outcome: Outcome
    pause: timedelta | None

    @property
    def given_up(self) -> bool:
        return self.pause is None and self.outcome.verdict not in {"delivered", "withheld"}


def verdict_of(status: int, reason: str) -> Verdict:
    """Read an answer of Apple's."""
    if status == 200:  # noqa: PLR2004 - HTTP
        return "delivered"
    if status == GONE_STATUS:
        return "gone"
    if reason in TOKEN_REASONS:
        return "token_refused"
    if status == SLOW_DOWN_STATUS:
        return "slow_down"
    if status == FORBIDDEN_STATUS or reason in CERTIFICATE_REASONS:
        return "certificate_refused"
    return "failed"


def pause_after(outcome: Outcome, tries: int, chance: float) -> timedelta | None:
    """Tell how long to wait after the push that follows `tries` others; None: it is over.

    A certificate that is refused is not the device's fault: its wakes wait until it is renewed.
    """
    if outcome.verdict in {"delivered", "withheld"}:
        return None
    if tries >= len(RETRY_SECONDS):
        if outcome.verdict != "certificate_refused":
            return None
        tries = len(RETRY_SECONDS) - 1
    return timedelta(seconds=RETRY_SECONDS[tries] * (1 - JITTER + 2 * JITTER * chance))


def removed_before(landed: Landed) -> datetime | None:
    """Tell the moment up to which a registration ends with this answer; None: it does not."""
    match landed.outcome.verdict:
        case "gone":
            return landed.outcome.gone_at or landed.at
        case "token_refused":
            return landed.at
        case _:
            return None


def threshold_of(days_left: float, thresholds: Sequence[int] = WARNED_DAYS) -> int:
    """Find the smallest threshold that so many days are within."""
    return min(days for days in thresholds if days_left <= days)
