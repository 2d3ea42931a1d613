"""A pass that comes into being: its first values, as far as they may be set."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from services.triggers.domain.events import marks_of, only_editable
from services.triggers.domain.records import BarcodeNeededError, Manner, PassRecord
from shared.contracts.triggers import CreatePass, PassCreated
from shared.passes.language.paths import MESSAGE_PATH
from shared.passes.schema.barcodes import UNIQUE
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.showing import check_shown

_LOWEST_NUMBER: Final = 10_000_000
_NUMBERS: Final = 90_000_000
"""Messages of eight digits, of which the first is none that programs leave out."""


def new_record(
    command: CreatePass,
    facts: dict[str, Any] | None,
    at: datetime,
    token_key: str | None,
    channel_id: int | None,
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
        channel_id=channel_id,
        passcode=command.passcode,
        style_id=command.style_id,
        style_group_id=command.style_group_id,
        google_name=command.google_name,
    )


def fill(record: PassRecord, command: CreatePass, compiled: CompiledTemplate) -> None:
    """Give a new pass the values that were sent; InvalidError names each that does not fit."""
    record.own_values = _first_values(command.values, compiled, trusted=command.trusted)
    manner = Manner(
        trusted=command.trusted, withheld=tuple(command.withheld), literal=command.literal
    )
    record.literal = marks_of(record.own_values, manner)
    if compiled.barcode_policy == "random":
        make_up_message(record)
    elif compiled.lacks_message(record.own_values):
        fault = {"pointer": MESSAGE_PATH, "detail": "the message of the barcode is needed"}
        raise BarcodeNeededError(errors=[fault])
    if record.own_values:
        check_shown(record.state(), record.own_values, compiled)


def make_up_message(record: PassRecord) -> None:
    """Give a new pass eight random digits as its barcode's message; they may be taken."""
    digits = str(_LOWEST_NUMBER + secrets.randbelow(_NUMBERS))
    record.own_values = {**record.own_values, MESSAGE_PATH: digits}


def unique_message(record: PassRecord, compiled: CompiledTemplate) -> str | None:
    """Return the message that no other pass of the template may have, if there is such a one."""
    is_unique = compiled.barcode_policy in UNIQUE
    return compiled.own_message(record.own_values) if is_unique else None


def created(record: PassRecord, compiled: CompiledTemplate) -> PassCreated:
    """Report a pass that was issued."""
    is_made_up = compiled.barcode_policy == "random"
    return PassCreated.model_construct(
        handle=record.handle,
        version=record.version,
        created_at=record.created_at,
        barcode_message=record.own_values[MESSAGE_PATH] if is_made_up else None,
    )


def _first_values(
    values: Mapping[str, Any], compiled: CompiledTemplate, *, trusted: bool
) -> dict[str, Any]:
    """Return the values with which a pass begins; null stands for the template's own."""
    allowed = values if trusted else only_editable(values, compiled)
    if not allowed:
        return {}
    given = {path: value for path, value in allowed.items() if value is not None}
    return compiled.check_values(given, may_expand=trusted)
