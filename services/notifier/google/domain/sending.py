"""What is asked of Google for a document, and what its answer means."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, Literal
from uuid import UUID

from services.notifier.google.domain.documents import differences
from services.notifier.google.domain.notices import (
    Ledger,
    Watched,
    changed_fields,
    is_told_by_google,
)
from shared.contracts.message import JsonObject
from shared.google.api import GoogleAnswer

MAX_PAUSE_SECONDS: Final = 3600.0
JITTER: Final = 0.25
ISSUER_PAUSE: Final = timedelta(hours=1)
"""How often an issuer that Google refuses is tried again."""

UNDER_REVIEW: Final = "UNDER_REVIEW"
REJECTED: Final = "REJECTED"
LOCATIONS: Final = "merchantLocations"

Verdict = Literal[
    "done",
    "refused",  # until the document changes
    "later",
    "slow_down",
    "class_missing",
    "gone",  # it was there
    "issuer_refused",
]
Meaning = Literal[
    "done", "invalid", "no_locations", "key_refused", "denied", "notices_spent", "slow_down",
    "missing", "exists", "later",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who sends a document: its newest key, sealed, and how it stands with Google."""

    issuer_id: str
    account_id: UUID
    revision: int
    key_id: str
    email: str
    project_id: str
    development: bool
    refuses_locations: bool
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Document:
    """A document of which something is to be done, leased by this process."""

    document_id: str
    account_id: UUID
    type: str
    handle: str | None
    class_id: str | None
    wanted: JsonObject = field(repr=False)
    wanted_digest: str
    wanted_version: int
    push_version: int
    watched: Watched = field(repr=False)
    sent: Mapping[str, str] | None
    sent_digest: str | None
    sent_version: int
    sent_watched: Mapping[str, str]
    messages: int
    clears_messages: bool
    telling: list[str]
    has_users: bool
    """Whether somebody has it; a class is asked to tell only where somebody has an object."""
    is_deleted: bool
    is_refused: bool
    """What Google said of it last: of a class, that no new objects are taken."""
    class_watched: Watched
    """What its class has told all holders: of that its own holder need not hear."""
    header: str
    """Who speaks in a message: the issuer's name, as its class says it."""
    issuer: Issuer
    asked: int
    asked_at: datetime
    lane: int
    tries: int
    looks: bool
    tells: bool
    reserved_at: datetime | None
    leased_at: datetime

    @property
    def is_class(self) -> bool:
        return self.handle is None

    @property
    def kind(self) -> str:
        """Name Google's collection, as `loyaltyObject`."""
        return f"{self.type}{'Class' if self.is_class else 'Object'}"

    @property
    def body(self) -> JsonObject:
        """What is to be there, without what Google does not allow the issuer."""
        if not self.issuer.refuses_locations:
            return self.wanted
        return {key: value for key, value in self.wanted.items() if key != LOCATIONS}

    @property
    def differs(self) -> bool:
        """Whether it is to be written."""
        return self.wanted_digest != self.sent_digest or self.clears_messages

    @property
    def patch(self) -> JsonObject:
        """What a PATCH says; a class asks for its review each time."""
        patch = differences(self.body, self.sent or {})
        if self.clears_messages:
            patch["messages"] = []
        if patch and "reviewStatus" in self.wanted:
            patch["reviewStatus"] = UNDER_REVIEW
        return patch

    @property
    def news(self) -> list[str]:
        """The fields whose change its holder is to hear of, once it is written."""
        if self.is_class or self.is_deleted or self.sent_version >= self.push_version:
            return []
        changed = changed_fields(self.watched, self.sent_watched)
        return [field for field in changed if not self._is_told_to_all(field)]

    @property
    def message_number(self) -> int:
        """What rises with each message, of the object's version or the class's messages."""
        return self.push_version if self.is_class else self.sent_version

    def _is_told_to_all(self, field: str) -> bool:
        told = self.class_watched.get(field)
        return told is not None and told[0] == self.watched[field][0]


Step = Literal["write", "tell", "look"]


def step_of(document: Document) -> Step:
    """Tell what is done next; a message that may be on its way comes before all."""
    if document.telling and document.tells:
        return "tell"
    if document.differs:
        return "write"
    return "tell" if document.telling else "look"


@dataclass(frozen=True, slots=True)
class Notice:
    """How the holder hears of a change."""

    by: Literal["update", "message", "afterwards"] | None = None
    """The PATCH itself, the message that is sent now, or one that follows."""
    why_not: str = ""
    reserved_at: datetime | None = None
    """Its place in the ledger."""


def notice_of(document: Document, step: Step, ledger: Ledger, at: datetime) -> Notice:
    """Decide whether the holder is told by what is done now; three times in 24 hours at most."""
    news = document.news if step == "write" else document.telling
    if step == "look" or not news:
        return Notice()
    if not document.has_users:
        return Notice(why_not="nobody has it")
    by = "update" if step == "write" else "message"
    if by == "update" and not is_told_by_google(
        document.type, document.wanted, document.patch, news
    ):
        return Notice("afterwards")
    if document.reserved_at is None and not ledger.has_room(at):
        return Notice(why_not="three notices in 24 hours")
    return Notice(by, reserved_at=document.reserved_at or at)


@dataclass(frozen=True, slots=True)
class Due:
    """A document with its slot: the moment on the loop's clock at which it may be sent."""

    document: Document
    step: Step
    notice: Notice
    slot_at: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    verdict: Verdict
    method: str = ""
    status: int | None = None
    reason: str = ""
    """Google's word for why not."""
    detail: str = ""
    """Its sentence, which may name values of the document."""
    milliseconds: int = 0
    sent: Mapping[str, str] | None = None
    """Digests of what is there now."""
    has_users: bool | None = None
    messages: int | None = None
    review: str | None = None
    notified: bool = False
    told: bool = False
    """Whether the message that was due is there."""
    notices_spent: bool = False
    refuses_locations: bool = False
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """What was done for a document; without a pause this step is over."""

    due: Due
    at: datetime
    outcome: Outcome
    pause: timedelta | None

    @property
    def document(self) -> Document:
        return self.due.document

    @property
    def is_written(self) -> bool:
        return self.due.step == "write" and self.outcome.verdict == "done"

    @property
    def refusal(self) -> str | None:
        """Google's words, if it does not take the document."""
        is_rejected = self.outcome.review == REJECTED
        is_refused = self.due.step == "write" and self.outcome.verdict == "refused"
        return (self.outcome.detail or "refused") if is_refused or is_rejected else None

    @property
    def is_accepted(self) -> bool:
        """Whether it is a class that objects may be of, by Google's last word."""
        is_done = self.outcome.verdict == "done"
        return self.document.is_class and is_done and self.refusal is None

    @property
    def opens_class(self) -> bool:
        """Whether objects that were refused may be taken now, for their class is another one."""
        return self.is_accepted and (self.is_written or self.document.is_refused)

    @property
    def trouble(self) -> str:
        """Why it has to be tried again."""
        return "" if self.outcome.verdict in ("done", "refused", "gone") else self.outcome.detail

    @property
    def is_told(self) -> bool:
        """Whether no message is due any more: it is there, or Google does not take it."""
        is_refused = self.outcome.verdict == "refused"
        return self.outcome.told or (self.due.step == "tell" and is_refused)

    @property
    def telling(self) -> list[str]:
        """The fields of which a message is due now."""
        follows = self.is_written and self.due.notice.by == "afterwards"
        return self.document.news if follows else []

    @property
    def has_looked(self) -> bool:
        """Whether Google has said who has it, or what its review came to."""
        is_answered = self.outcome.verdict in ("done", "refused")
        return self.outcome.has_users is not None or (self.due.step == "look" and is_answered)

    @property
    def may_be_told(self) -> bool:
        """Whether a message was sent, and nobody knows whether it came."""
        return self.due.step == "tell" and self.outcome.verdict == "later"

    @property
    def keeps_place(self) -> bool:
        """Whether the place in the ledger is for the next attempt."""
        return self.outcome.verdict == "later"

    @property
    def unused_place(self) -> datetime | None:
        """The place in the ledger that nothing came of."""
        outcome = self.outcome
        is_used = outcome.notified or outcome.notices_spent or self.keeps_place
        return None if is_used else self.due.notice.reserved_at

    @property
    def why_silent(self) -> str:
        """Why its holder was not told of what was to be told."""
        if self.outcome.notices_spent:
            return "Google allows no more notices today"
        return self.due.notice.why_not if self.outcome.verdict == "done" else ""


_MEANINGS: Final[Mapping[int, Meaning]] = {
    401: "key_refused",
    403: "denied",
    404: "missing",
    408: "later",
    409: "exists",
    429: "slow_down",
}


def read(answer: GoogleAnswer) -> Meaning:
    """Read an answer of Google's."""
    if answer.is_done:
        return "done"
    words, reason = answer.message.casefold(), answer.reason.casefold()
    if answer.status == HTTPStatus.FORBIDDEN and ("quota" in reason or "ratelimit" in reason):
        return "notices_spent" if "text_and_notify" in words else "slow_down"
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "later"
    is_about_locations = "merchant location" in words and "allowlist" in words
    return _MEANINGS.get(answer.status, "no_locations" if is_about_locations else "invalid")


def pause_after(outcome: Outcome, tries: int, chance: float) -> timedelta | None:
    """Tell how long to wait after what follows `tries` others; None: it is over.

    From a second to an hour; what fails by the issuer or by the pace waits for these alone.
    """
    match outcome.verdict:
        case "done" | "refused":
            return None
        case "issuer_refused" | "slow_down" | "gone":
            return timedelta()
        case "later" | "class_missing":
            seconds = min(MAX_PAUSE_SECONDS, 2.0 ** min(tries, 12))
            jittered = seconds * (1 - JITTER + 2 * JITTER * chance)
            return timedelta(
                seconds=max(min(jittered, MAX_PAUSE_SECONDS), outcome.retry_after or 0)
            )
