"""What is written of an event: its line in the pass's log, and the version that it raises."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson

from services.triggers.domain.records import BIT_OF, PassRecord
from shared.contracts.triggers import EventKind, LoggedEvent
from shared.identifiers import new_id
from shared.passes.schema.values import MISSING


def advance(record: PassRecord, at: datetime) -> None:
    """Raise the version, and ask for a push of it."""
    record.version += 1
    record.push_version = record.version
    record.updated_at = max(at, record.updated_at)


def write_line(
    record: PassRecord,
    kind: EventKind,
    at: datetime,
    data: dict[str, Any],
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Write a line; with it every change of own values is told, so that the log rebuilds them."""
    if kind == "create":
        data |= {"values": record.own_values} if record.own_values else {}
    else:
        if changes is None:
            changes = changes_between(record.told_values, record.own_values)
        if changes:
            data["changes"] = {**data.get("changes", {}), **changes}
        nulls = [p for p in changes if record.own_values.get(p, MISSING) is None]
        if nulls:
            data["nulls"] = nulls
    record.told_values = record.own_values
    record.sequence += 1
    if not record.has(kind) and "refused" not in data:
        record.happened |= BIT_OF[kind]
        record.first.append(kind)
    record.events.append(
        LoggedEvent.model_construct(
            event_id=new_id(),
            account_id=record.account_id,
            template_id=record.template_id,
            handle=record.handle,
            member_id=record.member_id,
            kind=kind,
            sequence=record.sequence,
            version=record.version,
            occurred_at=at,
            data=data,
        )
    )


def set_void(
    record: PassRecord, at: datetime, *, voided: bool, data: dict[str, Any] | None = None
) -> None:
    """Make a pass void or valid again; nothing happens if it is so already."""
    if record.voided == voided:
        return
    record.voided = voided
    advance(record, at)
    write_line(record, "void" if voided else "unvoid", at, data or {})


def changes_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Path → [before, after] of own values that differ."""
    if before is after:
        return {}
    return {
        path: [before.get(path), after.get(path)]
        for path in (*before, *(path for path in after if path not in before))
        if not _is_same(before.get(path, MISSING), after.get(path, MISSING))
    }


def _is_same(one: Any, other: Any) -> bool:  # noqa: ANN401 - whatever JSON can say
    """Tell whether values are written alike; in Python 1 == True == 1.0."""
    if one is MISSING or other is MISSING:
        return one is other
    return one == other and (
        type(one) is type(other) is str
        or orjson.dumps(one, option=orjson.OPT_SORT_KEYS)
        == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    )
