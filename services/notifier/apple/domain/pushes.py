"""The rules of pushes: what an answer means for a device, and when a push is tried again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Final, Literal
from uuid import UUID

from services.notifier.feed.domain.happenings import Happening
from services.notifier.feed.domain.observations import Seen
from shared.contracts.message import JsonObject
from shared.identifiers import new_id

RETRY_SECONDS: Final = (1, 5, 30, 120, 600, 3_600, 10_800, 21_600, 43_200)
"""Pauses between the ten attempts: 22 hours in all."""
JITTER: Final = 0.2
SHOWN_DIGITS: Final = 8
"""How much of a device's name is shown."""
WARNED_DAYS: Final = (60, 30, 7)
"""How long before its certificate ends an account is told, once each."""

Verdict = Literal[
    "delivered",
    "gone",  # the device has dropped the pass, or itself
    "token_refused",  # its push token is none, or not for this pass type
    "slow_down",
    "failed",
    "certificate_refused",
    "withheld",  # Apple would not know our certificate
    "unreachable",  # there is no such device, or it is not Apple's
]
OVER: Final[frozenset[Verdict]] = frozenset({"delivered", "withheld", "unreachable"})

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
    leased_at: datetime
    push_token: str | None = field(repr=False)
    """Sealed; None once the device is gone."""
    kind: str | None

    @property
    def key(self) -> tuple[str, str]:
        return self.device, self.pass_type_identifier

    @property
    def pass_type(self) -> tuple[UUID, str]:
        return self.account_id, self.pass_type_identifier

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
class DuePush:
    """A push to be made, with the certificates to try."""

    wake: Wake
    identities: Sequence[Identity]
    """The newest first."""


@dataclass(frozen=True, slots=True)
class ExpiringIdentity:
    """A certificate that ends soon and that nothing later replaces."""

    identity_id: UUID
    revision: int
    account_id: UUID
    pass_type_identifier: str
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one push led to."""

    verdict: Verdict
    milliseconds: int = 0
    apns_id: str | None = None
    status: int | None = None
    reason: str | None = None
    gone_at: datetime | None = None
    """Since when; a device that registered later is not meant."""

    @property
    def ends_device(self) -> bool:
        """Whether nobody will be reached under this push token any more."""
        return self.verdict in {"gone", "token_refused"}

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
class FinishedPush:
    """A push that has ended; without a pause nothing more is to be done for its wake."""

    wake: Wake
    at: datetime
    outcome: Outcome
    pause: timedelta | None

    @property
    def given_up(self) -> bool:
        return self.pause is None and self.outcome.verdict not in OVER


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
    if outcome.verdict in OVER:
        return None
    if tries >= len(RETRY_SECONDS):
        if outcome.verdict != "certificate_refused":
            return None
        tries = len(RETRY_SECONDS) - 1
    return timedelta(seconds=RETRY_SECONDS[tries] * (1 - JITTER + 2 * JITTER * chance))


def seen_of(finished: FinishedPush) -> list[Seen]:
    """Note a push with each pass that it was for; not one that could not be made."""
    wake, outcome = finished.wake, finished.outcome
    if outcome.verdict == "unreachable":
        return []
    kind = "pushed" if outcome.verdict == "delivered" else "push_failed"
    data = outcome.data
    return [
        Seen(wake.account_id, handle, kind, finished.at, wake.device, data)
        for handle in wake.handles
    ]


def failures_of(finished: FinishedPush, templates: Mapping[str, UUID]) -> list[Happening]:
    """Tell, pass by pass, that a device could not be told; `templates` are those of handles."""
    wake, outcome = finished.wake, finished.outcome
    return [
        Happening(
            event_id=new_id(),
            account_id=wake.account_id,
            type="push.failed",
            subject={"kind": "pass", "id": handle},
            occurred_at=finished.at,
            cause={"kind": "push"},
            data={
                "handle": handle,
                "device": wake.device[:SHOWN_DIGITS],
                "pass_type_identifier": wake.pass_type_identifier,
                "reason": outcome.reason or "no reason was given",
                "status": outcome.status,
                "tries": wake.tries + 1,
            },
            template_id=templates.get(handle),
            handle=handle,
        )
        for handle in wake.handles
    ]


def warning_of(identity: ExpiringIdentity, now: datetime) -> Happening:
    """Tell that a certificate ends soon."""
    return Happening(
        event_id=new_id(),
        account_id=identity.account_id,
        type="identity.expiring",
        subject={"kind": "identity", "id": str(identity.identity_id)},
        occurred_at=now,
        cause={"kind": "clock"},
        data={
            "identity_id": str(identity.identity_id),
            "pass_type_identifier": identity.pass_type_identifier,
            "not_after": identity.not_after,
            "days": ceil((identity.not_after - now) / timedelta(days=1)),
        },
    )
