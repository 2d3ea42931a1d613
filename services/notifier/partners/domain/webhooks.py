"""The rules of webhooks: who is told what, when it is tried again and when no more."""

import base64
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, cast
from uuid import UUID

from services.notifier.feed.domain.happenings import Happening
from shared.contracts.message import JsonObject
from shared.contracts.partners import PATTERNS, RETRY_JITTER, RETRY_SECONDS, matching
from shared.errors import ConflictError, InvalidError, NotFoundError

MAX_ENDPOINTS: Final = 50
MAX_FORMER_SECRETS: Final = 10
MAX_DESCRIPTION_CHARACTERS: Final = 200
MAX_NAMED_CHARACTERS: Final = 500
"""Characters of what an error names."""
MAX_REPLAYED: Final = 10_000
MAX_GRACE_SECONDS: Final = 7 * 86_400

LEAST_PAUSE: Final = 60.0
"""After 429 and timeouts: the receiver has more than enough to do."""
OWN_TROUBLE_PAUSE: Final = timedelta(seconds=60)
FAILING_FOR: Final = timedelta(days=5)
"""An endpoint that only fails for so long is disabled."""

TEMPLATE_DELETED: Final = "The template it was bound to has been deleted."
FAILED_TOO_LONG: Final = "All deliveries have failed for 5 days."
GONE: Final = "It answered 410 Gone."
ASKED_TO_STOP: Final = "It answered with `webhook-delivery: disable`."

GONE_STATUS: Final = 410
TOO_MANY_STATUS: Final = 429

State = Literal["pending", "delivered", "exhausted", "dropped"]


class EndpointNotFoundError(NotFoundError):
    """There is no such webhook endpoint in this account."""

    code = "endpoint_not_found"


class EventNotFoundError(NotFoundError):
    """There is no such event in this account, or it is older than 30 days."""

    code = "event_not_found"


class DeliveryNotFoundError(NotFoundError):
    """There is no such delivery in this account."""

    code = "delivery_not_found"


class TooManyEndpointsError(ConflictError):
    """An account may have at most 50 webhook endpoints."""

    code = "too_many_endpoints"


class RotatedTooOftenError(ConflictError):
    """A webhook endpoint signs with at most 10 former secrets: rotate without grace, or wait."""

    code = "webhook_rotated_too_often"


class EndpointExistsError(ConflictError):
    """A webhook endpoint with this id is already there."""

    code = "endpoint_exists"


class EndpointDisabledError(ConflictError):
    """The webhook endpoint is disabled; enable it first."""

    code = "endpoint_disabled"


class TooManyReplayedError(InvalidError):
    """More than 10,000 events would be sent again; part them with `since` and `until`."""

    code = "too_many_replayed"


@dataclass(frozen=True, slots=True)
class Recipient:
    """An enabled endpoint and what it wants."""

    endpoint_id: UUID
    account_id: UUID
    kinds: frozenset[str]
    template_id: UUID | None

    def wants(self, happening: Happening) -> bool:
        return (not self.kinds or not self.kinds.isdisjoint(matching(happening.type))) and (
            self.template_id is None or self.template_id == happening.template_id
        )


@dataclass(frozen=True, slots=True)
class DueDelivery:
    """A delivery that this process has leased, with all that posting it needs."""

    delivery_id: UUID
    account_id: UUID
    endpoint_id: UUID
    event_id: UUID
    attempts: int
    tries: int
    round: int
    url: str
    secret: str
    secret_version: int
    former_secrets: list[str]
    """Those that were rotated out and are still signed with, the newest first."""
    body: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt led to."""

    milliseconds: int
    status: int | None = None
    error: str | None = None
    response: str | None = None
    retry_after: float | None = None
    asked_to_stop: bool = False
    timed_out: bool = False
    our_fault: bool = False

    @property
    def succeeded(self) -> bool:
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - HTTP


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a delivery after an attempt, and of its endpoint."""

    state: State
    next_attempt_at: datetime | None = None
    disable: str | None = None


@dataclass(frozen=True, slots=True)
class FinishedDelivery:
    """An attempt that has ended."""

    delivery: DueDelivery
    at: datetime
    outcome: Outcome
    decision: Decision


def decide(outcome: Outcome, tries: int, now: datetime, chance: float) -> Decision:
    """Decide after the attempt that follows `tries` others; `chance` of 0 … 1 is the jitter."""
    disable = ASKED_TO_STOP if outcome.asked_to_stop else None
    if outcome.succeeded:
        return Decision("delivered", disable=disable)
    if outcome.our_fault:
        return Decision("pending", now + OWN_TROUBLE_PAUSE)
    if outcome.status == GONE_STATUS:
        disable = GONE
    if tries >= len(RETRY_SECONDS):
        return Decision("exhausted", disable=disable)
    pause = retry_pause(outcome, tries, chance)
    return Decision("pending", now + timedelta(seconds=pause), disable)


def retry_pause(outcome: Outcome, tries: int, chance: float) -> float:
    """Seconds until the next attempt; nobody can ask for more than twice what is planned."""
    planned = RETRY_SECONDS[tries]
    if outcome.retry_after is None:
        pause = planned * (1 - RETRY_JITTER + 2 * RETRY_JITTER * chance)
    else:
        pause = min(max(outcome.retry_after, planned), 2 * planned)
    if outcome.timed_out or outcome.status == TOO_MANY_STATUS:
        pause = max(pause, LEAST_PAUSE)
    return pause


def new_secret() -> str:
    """Make a signing secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


_FIELDS: Final = frozenset({"url", "description", "kinds", "template_id", "enabled"})


def checked_fields(fields: JsonObject, check_url: Callable[[str], None]) -> dict[str, Any]:
    """Check fields of an endpoint as they are written, and give them in the types of the table."""
    checked: dict[str, Any] = {}
    for name, value in fields.items():
        if name not in _FIELDS:
            raise _invalid(name, "There is no such field")
        if name == "url":
            if not isinstance(value, str):
                raise _invalid(name, "It is a text")
            check_url(value)
        elif name == "description":
            _check_description(value)
        elif name == "kinds":
            checked[name] = _checked_kinds(value)
            continue
        elif name == "template_id":
            checked[name] = _checked_id(value)
            continue
        elif not isinstance(value, bool):
            raise _invalid(name, "It is true or false")
        checked[name] = value
    return checked


def _check_description(value: object) -> None:
    if value is None:
        return
    if not isinstance(value, str) or len(value) > MAX_DESCRIPTION_CHARACTERS or "\0" in value:
        raise _invalid(
            "description", f"It is a text of at most {MAX_DESCRIPTION_CHARACTERS} characters"
        )


def _checked_kinds(value: object) -> list[str]:
    kinds = cast("list[object]", value) if isinstance(value, list) else [None]
    if not all(isinstance(kind, str) for kind in kinds):
        raise _invalid("kinds", "It is a list of event types")
    if unknown := sorted({str(kind) for kind in kinds} - PATTERNS):
        raise _invalid("kinds", f"Unknown event types: {', '.join(unknown)[:MAX_NAMED_CHARACTERS]}")
    return sorted({str(kind) for kind in kinds})


def _checked_id(value: object) -> UUID | None:
    if value is None or isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        raise _invalid("template_id", "It is the id of a template, or null") from None


def _invalid(name: str, detail: str) -> InvalidError:
    return InvalidError(
        f"`{name}`: {detail}.", errors=[{"pointer": f"/{name}", "detail": f"{detail}."}]
    )


class RoundRobin:
    """Endpoints that are believed to have due deliveries, each taken in its turn."""

    def __init__(self) -> None:
        self._waiting: deque[UUID] = deque()
        self._known: set[UUID] = set()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, endpoint_ids: Iterable[UUID]) -> None:
        """Put endpoints at the end, unless they already wait."""
        for endpoint_id in endpoint_ids:
            if endpoint_id not in self._known:
                self._known.add(endpoint_id)
                self._waiting.append(endpoint_id)

    def remove(self, endpoint_ids: Iterable[UUID]) -> None:
        """Forget endpoints that have nothing due after all."""
        gone = set(endpoint_ids) & self._known
        if gone:
            self._known -= gone
            self._waiting = deque(e for e in self._waiting if e not in gone)

    def take(self, room: int, free: Callable[[UUID], int]) -> dict[UUID, int]:
        """Share `room` among those next in turn that have free places: endpoint → how many."""
        chosen: dict[UUID, int] = {}
        for endpoint_id in list(self._waiting):
            if len(chosen) >= room:
                break
            places = free(endpoint_id)
            if places > 0:
                chosen[endpoint_id] = places
        if not chosen:
            return chosen
        share = room // len(chosen)
        self._waiting = deque(e for e in self._waiting if e not in chosen)
        self._waiting.extend(chosen)
        return {endpoint_id: min(places, share) for endpoint_id, places in chosen.items()}
