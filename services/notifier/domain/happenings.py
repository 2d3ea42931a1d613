"""What happens, in the words in which partners are told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, get_args
from uuid import UUID

import orjson

from shared.contracts.message import JsonObject
from shared.contracts.partner_data import CauseKind
from shared.contracts.partners import MOST_BODY, TEST, TYPE_OF
from shared.contracts.triggers import LoggedEvent
from shared.identifiers import new_id

SEQUENCE_BYTES: Final = 32
"""What the number in the feed adds to a body."""

BULKY: Final = ("changes", "member_changes", "values")
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
_CAUSES: Final = frozenset(get_args(CauseKind))


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to tell: its type and data are those of a model in `shared.contracts.partners`."""

    event_id: UUID
    account_id: UUID
    type: str
    subject: Mapping[str, str]
    """`kind` and `id` of what it happened to."""
    occurred_at: datetime
    cause: Mapping[str, str]
    """`kind`, and `id` where there is one."""
    data: JsonObject
    template_id: UUID | None = None
    """Endpoints bound to a template hear only what has its id here."""
    handle: str | None = None
    """The pass on whose timeline its deliveries are shown."""


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
    if len(written) > MOST_BODY - SEQUENCE_BYTES:
        thin = {name: value for name, value in happening.data.items() if name not in BULKY}
        written = _json({**body, "data": thin, "thin": True})
    return written.decode()


def _json(body: JsonObject) -> bytes:
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
    cause = event.data.get("cause", _CAUSE_OF.get(event.kind, "api"))
    changes = event.data.get("changes", {})
    if event.kind == "create":
        data["values"] = event.data.get("values", {})
    elif cause == "member":
        data["member_changes"] = changes
    else:
        data["changes"] = changes
    return Happening(
        event_id=event.event_id,
        account_id=event.account_id,
        type=TYPE_OF[event.kind],
        subject={"kind": "pass", "id": event.handle},
        occurred_at=event.occurred_at,
        cause=_cause(cause, event.member_id),
        data=data,
        template_id=event.template_id,
        handle=event.handle,
    )


@dataclass(frozen=True, slots=True)
class DisabledEndpoint:
    """An endpoint that was disabled just now, not by its owner."""

    endpoint_id: UUID
    account_id: UUID
    reason: str


def of_disabled(endpoint: DisabledEndpoint, at: datetime) -> Happening:
    """Tell that an endpoint hears no more."""
    return Happening(
        event_id=new_id(),
        account_id=endpoint.account_id,
        type="endpoint.disabled",
        subject={"kind": "webhook", "id": str(endpoint.endpoint_id)},
        occurred_at=at,
        cause={"kind": "delivery"},
        data={"webhook_id": endpoint.endpoint_id, "reason": endpoint.reason},
    )


def of_test(account_id: UUID, endpoint_id: UUID, at: datetime) -> Happening:
    """Make the event by which an endpoint is tried."""
    return Happening(
        event_id=new_id(),
        account_id=account_id,
        type=TEST,
        subject={"kind": "webhook", "id": str(endpoint_id)},
        occurred_at=at,
        cause={"kind": "api"},
        data={"webhook_id": endpoint_id, "message": "A test. Answer with a status of 200 to 299."},
    )


def _cause(kind: str, member_id: str | None) -> dict[str, str]:
    """Name a cause; one that partners were never told of is the API's."""
    if kind == "member" and member_id is not None:
        return {"kind": kind, "id": member_id}
    return {"kind": kind if kind in _CAUSES else "api"}
