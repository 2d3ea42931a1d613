"""A pass that comes into being: its first values, as far as they may be set."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.triggers.domain.events import check_shown, marks_of, only_editable
from services.triggers.domain.records import Manner, PassRecord
from shared.contracts.triggers import CreatePass
from shared.passes.template.compiled import CompiledTemplate


def new_record(
    command: CreatePass, facts: dict[str, Any] | None, at: datetime, token_key: str | None
) -> PassRecord:
    """Make a pass to which nothing has happened; `facts` are its member's, if it has one."""
    return PassRecord(
        handle=command.handle,
        account_id=command.account_id,
        template_id=command.template_id,
        serial_number=command.serial_number,
        member_id=command.member.member_id if command.member else None,
        version=0,
        sequence=0,
        push_version=0,
        own_values={},
        happened=0,
        voided=False,
        created_at=at,
        updated_at=at,
        token_key=token_key,
        member=facts,
    )


def fill(record: PassRecord, command: CreatePass, compiled: CompiledTemplate) -> None:
    """Give a new pass the values that were sent; InvalidError names each that does not fit."""
    record.own_values = _first_values(command.values, compiled, trusted=command.trusted)
    manner = Manner(trusted=command.trusted, withheld=tuple(command.withheld))
    record.literal = marks_of(record.own_values, manner)
    if record.own_values:
        check_shown(record, record.own_values, compiled)


def _first_values(
    values: Mapping[str, Any], compiled: CompiledTemplate, *, trusted: bool
) -> dict[str, Any]:
    """Return the values with which a pass begins; null stands for the template's own."""
    allowed = values if trusted else only_editable(values, compiled)
    if not allowed:
        return {}
    given = {path: value for path, value in allowed.items() if value is not None}
    return compiled.check_values(given, may_expand=trusted)
