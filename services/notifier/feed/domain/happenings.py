"""What happens, in the words in which partners are told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, get_args
from uuid import UUID

import orjson

from shared.contracts.gateway import BatchEnded
from shared.contracts.member import EnrolmentNews
from shared.contracts.message import JsonObject
from shared.contracts.notifier import NoteFetch
from shared.contracts.partner_data import CauseKind
from shared.contracts.partners import MAX_BODY_BYTES, TYPE_OF
from shared.contracts.triggers import LoggedEvent
from shared.identifiers import new_id

RETENTION: Final = timedelta(days=30)
"""So long partners may ask for what happened, and what came of it."""

BEGINNING_BYTES: Final = 480
"""What the facts of a kept event add to its body at most."""

SEQUENCE_BYTES: Final = 32
"""What the number in the feed adds to a body."""

BULKY: Final = ("changes", "member_changes", "nulls", "values")
"""Data that a thin event goes without."""

_CAUSE_OF: Final[Mapping[str, CauseKind]] = {
    "scan": "scan",
    "check": "scan",
    "edit": "holder",
    "register": "holder",
    "install": "device",
    "remove": "device",
    "device_update": "device",
    "expire": "expiry",
}
_CAUSE_NAMES: Final[Mapping[str, CauseKind]] = {
    **{kind: kind for kind in get_args(CauseKind)},
    "push": "push_job",
    "rules": "rule",
}
"""Cause of a log line → what partners are told; any other is the API's."""

_MEMBER_FACTS: Final = frozenset(
    f"member_{fact}" for fact in ("name", "email", "phone", "external_id", "tier", "points")
)


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell: its type and data are those of a model in `shared.contracts.partners`."""

    event_id: UUID
    account_id: UUID
    type: str
    subject: Mapping[str, str]
    """`kind` and `id` of what it happened to."""
    occurred_at: datetime
    cause: Mapping[str, str | None]
    """`kind`, and `id` where there is one."""
    data: JsonObject
    template_id: UUID | None = None
    """Endpoints bound to a template hear only what has its id here: what happens to its passes,
    and who enrols for one."""
    handle: str | None = None
    """The pass on whose timeline its deliveries are shown."""


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """A happening as it is kept: of what happened to a pass hardly a quarter of what is told."""

    event_id: UUID
    account_id: UUID
    template_id: UUID | None
    handle: str | None
    kind: str
    occurred_at: datetime
    cause: str | None
    """As JSON; None: the body is whole."""
    body: str
    """What follows after what the other fields say."""

    @classmethod
    def of(cls, happening: Happening) -> "KeptEvent":
        cause = _json(happening.cause).decode()
        facts = (
            happening.event_id,
            happening.account_id,
            happening.template_id,
            happening.handle,
            happening.type,
            happening.occurred_at,
        )
        whole, beginning = write_body(happening), cls(*facts, cause, "").whole_body
        if happening.handle is None or not whole.startswith(beginning):
            return cls(*facts, None, whole)
        return cls(*facts, cause, whole[len(beginning) :])

    @property
    def whole_body(self) -> str:
        """The body to the letter as it was written."""
        if self.cause is None:
            return self.body
        beginning = _json(
            {
                "id": webhook_id(self.event_id),
                "type": self.kind,
                "timestamp": self.occurred_at,
                "account": self.account_id,
                "subject": {"kind": "pass", "id": self.handle},
                "cause": orjson.loads(self.cause),
                "data": {"handle": self.handle, "template_id": self.template_id},
            }
        )
        return f"{beginning.decode().removesuffix('}}')},{self.body}"


def webhook_id(event_id: UUID) -> str:
    """Name an event to its receivers: the same over all attempts and replays."""
    return f"evt_{event_id.hex}"


def write_body(happening: Happening) -> str:
    """Write what is told, without its number; what would be too large goes thin."""
    body: dict[str, Any] = {
        "id": webhook_id(happening.event_id),
        "type": happening.type,
        "timestamp": happening.occurred_at,
        "account": happening.account_id,
        "subject": happening.subject,
        "cause": happening.cause,
        "data": happening.data,
    }
    written = _json(body)
    if len(written) > MAX_BODY_BYTES - SEQUENCE_BYTES:
        thin = {name: value for name, value in happening.data.items() if name not in BULKY}
        written = _json({**body, "data": thin, "thin": True})
    return written.decode()


def _json(body: Mapping[str, Any]) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_UTC_Z, default=str)  # the database's UUIDs


def numbered(body: str, number: int | None) -> str:
    """Put its number in the feed at the head of a body; 0 for what is in no feed."""
    return f'{{"sequence":{number or 0},{body[1:]}'


def of_pass(event: LoggedEvent) -> Happening:
    """Tell a line of a pass's log."""
    data: JsonObject = {
        "handle": event.handle,
        "template_id": event.template_id,
        "member_id": event.member_id,
        "version": event.version,
        "sequence": event.sequence,
    }
    if "cause" in event.data:
        cause = _CAUSE_NAMES.get(event.data["cause"], "api")
    else:
        cause = _CAUSE_OF.get(event.kind, "api")
    if event.kind == "create":
        data["values"] = event.data.get("values", {})
    else:
        data |= _changes(event.data, about_member=cause == "member")
    if wallet := event.data.get("wallet"):
        data["wallet"] = wallet
    if refused := event.data.get("refused"):
        data["refused"] = refused
    if event.kind == "expire":
        data["expiration_date"] = event.data.get("expiration_date")
    return Happening(
        event_id=event.event_id,
        account_id=event.account_id,
        type=TYPE_OF[event.kind],
        subject={"kind": "pass", "id": event.handle},
        occurred_at=event.occurred_at,
        cause={"kind": cause, "id": event.member_id} if cause == "member" else {"kind": cause},
        data=data,
        template_id=event.template_id,
        handle=event.handle,
    )


def of_fetch(note: NoteFetch) -> Happening:
    """Tell that a file of a pass was served."""
    return Happening(
        event_id=new_id(),
        account_id=note.account_id,
        type="pass.fetched",
        subject={"kind": "pass", "id": note.handle},
        occurred_at=note.at,
        cause={"kind": note.source},
        data={
            "handle": note.handle,
            "template_id": note.template_id,
            "version": note.pass_version,
            "content_number": note.content_number,
            "status": note.status,
            "source": note.source,
        },
        template_id=note.template_id,
        handle=note.handle,
    )


def of_enrolment(news: EnrolmentNews) -> Happening:
    """Tell that somebody enrolled, or came with other data than the member has."""
    data: JsonObject = {
        "member_id": news.member_id,
        "enrolment_id": news.enrolment_id,
        "template_id": news.template_id,
        "handle": news.handle,
        "program_id": news.program_id,
    }
    if news.kind == "conflict":
        data["fields"] = news.fields
    program_id = news.program_id
    return Happening(
        event_id=news.event_id,
        account_id=news.account_id,
        type="member.enrolled" if news.kind == "enrolled" else "member.enrolment_conflict",
        subject={"kind": "member", "id": news.member_id},
        occurred_at=news.occurred_at,
        cause={"kind": "link", "id": str(program_id)} if program_id else {"kind": "api"},
        data=data,
        template_id=news.template_id,
    )


def of_batch(ended: BatchEnded) -> Happening:
    """Tell that a batch has ended, which it does once."""
    return Happening(
        event_id=ended.batch_id,
        account_id=ended.account_id,
        type="batch.failed" if ended.state == "failed" else "batch.finished",
        subject={"kind": "batch", "id": str(ended.batch_id)},
        occurred_at=ended.ended_at,
        cause={"kind": "api"},
        data=ended.model_dump(include={"batch_id", "kind", "state", "rows", "done", "failed"}),
    )


def _changes(data: JsonObject, *, about_member: bool) -> JsonObject:
    """Part changes of own values from those of the member's facts."""
    changes: JsonObject = data.get("changes", {})
    told: JsonObject = {"changes": changes}
    if about_member:
        told["changes"] = {p: c for p, c in changes.items() if p not in _MEMBER_FACTS}
        told["member_changes"] = {p: c for p, c in changes.items() if p in _MEMBER_FACTS}
    if nulls := data.get("nulls"):
        told["nulls"] = nulls
    return told
