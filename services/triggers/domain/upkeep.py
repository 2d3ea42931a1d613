"""What the service itself does with passes: moves, pushes, forgets, ends, and lets expire."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final

from services.triggers.domain.log import advance, set_void, write_line
from services.triggers.domain.records import REFUSABLE, PassRecord
from shared.contracts.triggers import EventKind, Refusal
from shared.passes.language.paths import TRIGGER_ERROR_PATH
from shared.passes.language.rights import marks_outside
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.expiry import expiry_of

_BY_DATE: Final[Mapping[str, Any]] = {"cause": "expiration"}


def follow_moves(record: PassRecord, compiled: CompiledTemplate) -> None:
    """Keep the values under today's paths (psPathMigrations); the pass shows what it showed.

    Left under a former path, a value would come back as soon as today's path is cleared.
    """
    state = record.state()
    moved = compiled.migrate(state)
    if moved is not state:
        record.own_values, record.literal = moved.values, sorted(moved.literal or ())


def push(record: PassRecord, at: datetime) -> None:
    """Ask for a push, also where the content is built and nothing else is new."""
    advance(record, at)
    write_line(record, "push", at, {})


def forget(
    record: PassRecord, paths: Collection[str], compiled: CompiledTemplate, at: datetime
) -> None:
    """Take own values away, if there are any: the pass then shows what its template says."""
    given = record.own_values, record.literal
    follow_moves(record, compiled)
    if record.own_values.keys().isdisjoint(paths):
        record.own_values, record.literal = given
        return
    record.own_values = {p: v for p, v in record.own_values.items() if p not in paths}
    record.literal = sorted(marks_outside(record.literal, paths))
    advance(record, at)
    write_line(record, "update", at, {"cause": "push"})
    settle_expiry(record, compiled, at)


def forget_trigger_error(record: PassRecord, at: datetime) -> None:
    """Take away a psTriggerError from before a run: it must not stop it. No push is asked for."""
    if TRIGGER_ERROR_PATH not in record.own_values:
        return
    record.own_values = {p: v for p, v in record.own_values.items() if p != TRIGGER_ERROR_PATH}
    record.literal = sorted(marks_outside(record.literal, {TRIGGER_ERROR_PATH}))
    if record.has("create"):
        record.version += 1
        write_line(record, "update", at, {"cause": "rules"})


def delete(record: PassRecord, at: datetime) -> None:
    """End a pass: its values and its member's facts leave it, its log stays."""
    record.deleted_at = at
    record.own_values = record.told_values = {}
    record.literal = []
    record.member = record.passcode = None
    advance(record, at)
    write_line(record, "delete", at, {})


def has_expired(record: PassRecord, compiled: CompiledTemplate, at: datetime) -> bool:
    """Tell whether its date has passed, also where nobody has noticed it yet."""
    expires_at = expiry_of(compiled, record.state())
    return expires_at is not None and expires_at <= at


def refusal_of(
    record: PassRecord, kind: EventKind, compiled: CompiledTemplate, at: datetime
) -> Refusal | None:
    """Say why an event does nothing to a pass; None: it happens."""
    if kind not in REFUSABLE or compiled.scan_when_void:
        return None
    if record.voided:
        return "voided"
    return "expired" if has_expired(record, compiled, at) else None


def refuse(record: PassRecord, kind: EventKind, refused: Refusal, at: datetime) -> None:
    """Log that an event was refused; it does not count as one, and nothing is new."""
    write_line(record, kind, at, {"refused": refused}, {})


def settle_expiry(record: PassRecord, compiled: CompiledTemplate, at: datetime) -> None:
    """Keep when the pass expires, by its values as they are; another date can pass again.

    A pass that only its date had voided is valid again until the new one.
    """
    expires_at = expiry_of(compiled, record.state())
    if expires_at == record.expires_at:
        return
    record.expires_at, record.expired = expires_at, False
    record.touched = True
    if record.voided_by_date and (expires_at is None or expires_at > at):
        record.voided_by_date = False
        set_void(record, at, voided=False, data={**_BY_DATE})


def expire(record: PassRecord, compiled: CompiledTemplate, at: datetime) -> None:
    """Log that the pass's date has passed, once, and void it where its template says so.

    Nothing happens if it has no date, or another by now.
    """
    if record.expired or record.expires_at is None or record.expires_at > at:
        return
    record.expired = True
    advance(record, at)
    write_line(record, "expire", at, {"expiration_date": record.expires_at.isoformat()})
    if compiled.void_when_expired and not record.voided:
        record.voided_by_date = True
        set_void(record, at, voided=True, data={**_BY_DATE})
