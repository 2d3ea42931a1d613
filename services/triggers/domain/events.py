"""What events do to a pass: values, rules, log lines and versions; no I/O."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from services.triggers.domain.log import advance, changes_between, set_void, write_line
from services.triggers.domain.records import (
    MEMBER_FACTS,
    PERSONAL_FACTS,
    REFUSABLE,
    SCAN_TEXTS,
    STYLE_KEYS,
    TRIGGER_OF,
    USUAL,
    BarcodeFixedError,
    Manner,
    PassFullError,
    PassRecord,
    TriggerStoppedError,
)
from services.triggers.domain.upkeep import (
    delete,
    follow_moves,
    has_expired,
    push,
    refusal_of,
    refuse,
    settle_expiry,
)
from shared.contracts.triggers import (
    ChangePass,
    EventKind,
    PassChanged,
    PointsAdjustment,
    Refusal,
    StyleKey,
)
from shared.errors import ApplicationError
from shared.passes.google.linked import linked
from shared.passes.language.loops import has_brackets
from shared.passes.language.rights import marks_for, marks_outside, marks_within
from shared.passes.language.rules import MAX_VALUES, MAX_VALUES_BYTES
from shared.passes.language.runs import RuleOutcome
from shared.passes.language.specials import COLOURS
from shared.passes.language.state import PassState
from shared.passes.schema.barcodes import ONE_PER_PASS
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.showing import check_shown

MAX_WARNINGS = 10

_REFUSED_TEXTS: Final[Mapping[Refusal, str]] = {"voided": "Voided", "expired": "Expired"}
_REFUSED_COLOR: Final = COLOURS["PSColorRed"]

_TEXTS: Final = {
    "scan_text": "psScanText",
    "scan_color": "psScanColor",
    "description": "psPassDescription",
    "information_url": "psInformationURL",
    "information_label": "psInformationLabel",
    "display_url": "psDisplayURL",
}
"""What a report says → the value of the pass that says it."""


def begin(
    record: PassRecord,
    compiled: CompiledTemplate,
    outcome: RuleOutcome | None = None,
    *,
    voided: bool = False,
) -> None:
    """Let the creation happen: log it, run onCreate. The record comes with its first values."""
    record.told_values = {}
    before = record.state().with_values({}, frozenset())
    _happen(record, "create", compiled, before, record.created_at, outcome=outcome)
    set_void(record, record.created_at, voided=voided)
    record.push_version = 0  # its first content is nobody's news
    settle_expiry(record, compiled, record.created_at)


def change(
    record: PassRecord,
    kind: EventKind,
    values: Mapping[str, Any],
    compiled: CompiledTemplate,
    at: datetime,
    *,
    manner: Manner = USUAL,
    outcome: RuleOutcome | None = None,
) -> PassChanged:
    """Let one event happen to a pass: its values, its rules, its log line, its version.

    Events of people and devices are always logged; what is already so (values that are equal,
    void when voided) changes and logs nothing, nor does a manual update that is ignored. A scan or
    check of a pass that is voided or expired is only logged, unless its template says otherwise.
    Raises InvalidError with nothing changed when a value is not acceptable. `outcome` is that of
    the rules, where they have run before.
    """
    if outcome is None and (declined := _decline(record, kind, compiled, at)):
        return declined
    # Where a scan of an expired pass is refused, one that was let in was of a valid pass.
    was_expired = (
        compiled.scan_when_void and kind in REFUSABLE and has_expired(record, compiled, at)
    )
    given, known = (record.own_values, record.literal), record.sequence
    follow_moves(record, compiled)
    before = record.state(at)
    pushed = record.push_version
    if kind == "delete":
        delete(record, at)
    elif kind in ("void", "unvoid"):
        _void_by_hand(record, at, voided=kind == "void")
    elif kind == "push":
        push(record, at)
    else:
        try:
            links = linked(record.linked, [manner.link] if manner.link else [])
            lay_over(record, values, compiled, manner)
            if kind != "update" or changes_between(before.values, record.own_values):
                _happen(record, kind, compiled, before, at, outcome=outcome, wallet=manner.wallet)
        except ApplicationError:
            record.own_values, record.literal = given
            raise
        _set_state(record, manner, at, links)
    if not manner.push:
        record.push_version = pushed
    if kind == "device_update":
        record.refresh(at)
    record.count_by_hand(kind)
    if record.sequence == known:  # moved values are kept with an event that tells it, or not at all
        record.own_values, record.literal = given
    settle_expiry(record, compiled, at)
    changes = changes_between(before.values, record.own_values)
    expired = was_expired if kind in REFUSABLE else _is_past(record, at)
    return _report(record, compiled, changes, expired=expired)


def _set_state(record: PassRecord, manner: Manner, at: datetime, links: list[str]) -> None:
    """Change what an update may change besides values."""
    if manner.voided is not None:
        _void_by_hand(record, at, voided=manner.voided)
    if manner.passcode is not None:
        _set_passcode(record, manner.passcode, at)
    if manner.styles:
        _choose_style(record, manner.styles, at)
    if links != record.linked:
        record.linked = links
        advance(record, at)
        write_line(record, "update", at, {"cause": "linked"})


def _decline(
    record: PassRecord, kind: EventKind, compiled: CompiledTemplate, at: datetime
) -> PassChanged | None:
    """Report what does not happen: an update too soon after another, a scan that is refused."""
    if record.ignores(kind, at):
        return _report(record, compiled, {}, expired=_is_past(record, at))
    if refused := refusal_of(record, kind, compiled, at):
        refuse(record, kind, refused, at)
        return _refused(record, compiled, refused, at)
    return None


def lay_over(
    record: PassRecord, values: Mapping[str, Any], compiled: CompiledTemplate, manner: Manner
) -> None:
    """Set values on a pass, as far as they may be set; InvalidError when one does not fit."""
    allowed = _allowed_values(record, values, compiled, manner)
    _check_message(record, allowed, compiled)
    given = record.own_values
    own_values = changed_values(record, allowed, compiled, trusted=manner.trusted)
    touched = {_full_path(path, compiled) for path in allowed}
    if manner.withheld:  # what is sent back as it was read stays what it is
        touched = {p for p in touched if p not in given or own_values.get(p) != given[p]}
    written = {path: value for path, value in own_values.items() if path in touched}
    kept = marks_within(marks_outside(record.literal, touched), own_values)
    record.own_values = own_values
    record.literal = sorted({*kept, *marks_of(written, manner)})
    if allowed:
        check_shown(record.state(), allowed, compiled)


def _check_message(
    record: PassRecord, values: Mapping[str, Any], compiled: CompiledTemplate
) -> None:
    """Keep a message that a pass was issued with; the same one again changes nothing."""
    if compiled.barcode_policy not in ONE_PER_PASS:
        return
    after = changed_values(record, values, compiled)
    if compiled.own_message(after) != compiled.own_message(record.own_values):
        raise BarcodeFixedError


def only_editable(values: Mapping[str, Any], compiled: CompiledTemplate) -> dict[str, Any]:
    """Leave out what users may not change."""
    editable = set(compiled.editable_paths)
    return {p: value for p, value in values.items() if _full_path(p, compiled) in editable}


def _allowed_values(
    record: PassRecord, values: Mapping[str, Any], compiled: CompiledTemplate, manner: Manner
) -> dict[str, Any]:
    """Leave out what may not be changed, and add null for what is to be taken away."""
    allowed = dict(values) if manner.trusted else only_editable(values, compiled)
    if manner.replace_all:
        # What was read from the pass may be sent back, also where its template has dropped a path.
        own = record.own_values
        allowed = {
            path: value
            for path, value in allowed.items()
            if compiled.find(path) is not None or path not in own or own[path] != value
        }
        replaced = record.own_values.keys()
        if not manner.trusted:
            replaced &= set(compiled.editable_paths)
        allowed |= dict.fromkeys(replaced - {_full_path(path, compiled) for path in allowed})
    return allowed


def changed_values(
    record: PassRecord,
    values: Mapping[str, Any],
    compiled: CompiledTemplate,
    *,
    trusted: bool = True,
) -> dict[str, Any]:
    """Return the own values with the given ones laid over; null takes an own value away."""
    if not values:
        return record.own_values
    set_values = {path: value for path, value in values.items() if value is not None}
    given = compiled.check_values(set_values, may_expand=trusted)
    merged = compiled.merge_values(record.own_values, given)
    gone = {_full_path(path, compiled) for path, value in values.items() if value is None}
    kept = {path: value for path, value in merged.items() if path not in gone}
    if len(kept) > MAX_VALUES or len(orjson.dumps(kept)) > MAX_VALUES_BYTES:
        raise PassFullError
    return kept


def marks_of(written: Mapping[str, Any], manner: Manner) -> list[str]:
    """Say what is kept beside values that are written: a user's are plain text."""
    if manner.literal or not manner.trusted:
        return sorted(written)
    if not manner.withheld:
        return []
    return [m for path, value in written.items() for m in marks_for(path, value, manner.withheld)]


def _full_path(path: str, compiled: CompiledTemplate) -> str:
    leaf = compiled.find(path)
    return leaf.path if leaf else path


def follow_member(
    record: PassRecord, facts: dict[str, Any] | None, compiled: CompiledTemplate, at: datetime
) -> None:
    """Give the pass its member's new facts; nothing happens when they are the same.

    The log says what changed, but who the person is only by path: it outlives the member.
    """
    before = record.member or {}
    after = facts or {}
    changed = [f for f in (*MEMBER_FACTS, *STYLE_KEYS) if before.get(f) != after.get(f)]
    record.member = facts
    if changed:
        changes = {
            f"member_{fact}": [None, None]
            if fact in PERSONAL_FACTS
            else [before.get(fact), after.get(fact)]
            for fact in changed
        }
        advance(record, at)
        write_line(record, "update", at, {"cause": "member", "changes": changes})
        settle_expiry(record, compiled, at)


def _happen(
    record: PassRecord,
    kind: EventKind,
    compiled: CompiledTemplate,
    before: PassState,
    at: datetime,
    *,
    outcome: RuleOutcome | None,
    wallet: str | None = None,
) -> None:
    trigger = TRIGGER_OF.get(kind)
    data: dict[str, Any] = {} if wallet is None else {"wallet": wallet}
    if trigger is not None:
        outcome = outcome or compiled.run(trigger, record.state(at))
        if outcome.error is not None:
            raise TriggerStoppedError(outcome.error)
        record.own_values = outcome.values
        record.literal = sorted(outcome.literal or ())
        if outcome.trace:
            data["rules"] = outcome.trace
    changes = changes_between(record.told_values, record.own_values)
    if changes:
        warnings = [*_new_loops(record, compiled, before, at), *_unfit(record, compiled, changes)]
        if warnings:
            data["warnings"] = warnings[:MAX_WARNINGS]
    if kind == "create" or changes or not record.has(kind):
        advance(record, at)
    write_line(record, kind, at, data, changes)
    if outcome is not None and outcome.points and record.member_id is not None:
        record.adjustments.append(
            PointsAdjustment(
                event_id=record.events[-1].event_id,
                account_id=record.account_id,
                member_id=record.member_id,
                kind=kind,
                amount=outcome.points,
            )
        )


def _unfit(record: PassRecord, compiled: CompiledTemplate, changes: Mapping[str, Any]) -> list[str]:
    """Say which values that rules have set do not fit the style of their field."""
    return [
        f"{path} is shown as text: {detail}"
        for path, detail in compiled.unfit_values(record.state()).items()
        if path in changes
    ]


def _new_loops(
    record: PassRecord, compiled: CompiledTemplate, before: PassState, at: datetime
) -> list[str]:
    """Say which texts lead back to themselves on this pass by what has just changed.

    Without brackets of its own that stand for something, a pass loops nowhere but its template.
    """
    state = record.state(at)
    if not has_brackets(state) or not (loops := compiled.find_loops(state)):
        return []
    known = set(compiled.find_loops(before))
    new = [path for path in loops if path not in known]
    return [f"{{{path}}} leads back to itself and stays text" for path in new[:MAX_WARNINGS]]


def _void_by_hand(record: PassRecord, at: datetime, *, voided: bool) -> None:
    """Make a pass void or valid; from now on its date has no part in that."""
    if record.voided_by_date:
        record.voided_by_date, record.touched = False, True
    set_void(record, at, voided=voided)


def _set_passcode(record: PassRecord, passcode: str, at: datetime) -> None:
    """Keep another passcode; the version tells those who have the pass in memory."""
    record.passcode = passcode or None
    advance(record, at)
    write_line(record, "update", at, {"cause": "passcode"})


def _choose_style(record: PassRecord, styles: Mapping[StyleKey, UUID | None], at: datetime) -> None:
    """Keep another choice of a style; the same one again is none."""
    before = {key: getattr(record, key) for key in styles}
    if before == styles:
        return
    for key, named in styles.items():
        setattr(record, key, named)
    advance(record, at)
    write_line(record, "update", at, {"cause": "style"})


def _refused(
    record: PassRecord, compiled: CompiledTemplate, refused: Refusal, at: datetime
) -> PassChanged:
    """Report to the scanner, in texts that any scanner shows."""
    expired = has_expired(record, compiled, at)
    return _report(record, compiled, {}, expired=expired, refused=refused)


def _is_past(record: PassRecord, at: datetime) -> bool:
    return record.expires_at is not None and record.expires_at <= at


def _report(
    record: PassRecord,
    compiled: CompiledTemplate,
    changes: Mapping[str, Any],
    *,
    expired: bool,
    refused: Refusal | None = None,
) -> PassChanged:
    return PassChanged.model_construct(
        _fields_set=None,
        handle=record.handle,
        version=record.version,
        sequence=record.sequence,
        updated=any(path not in SCAN_TEXTS for path in changes),
        values_changed=bool(changes),
        **_texts_of(record, compiled, refused),
        voided=record.voided,
        expired=expired,
        refused=refused,
    )


def _texts_of(
    record: PassRecord, compiled: CompiledTemplate, refused: Refusal | None
) -> dict[str, str | None]:
    """Write the texts that a pass shows to whoever scans it; they may tell of its member.

    Those of a scan that was refused say why, so that any scanner shows it.
    """
    state = record.state()
    texts = {name: compiled.text_of(state, path) or None for name, path in _TEXTS.items()}
    if refused is not None:
        texts |= {"scan_text": _REFUSED_TEXTS[refused], "scan_color": _REFUSED_COLOR}
    return texts


def without_texts(report: PassChanged) -> PassChanged:
    """Leave out what may tell of the pass's member."""
    told = {name for name in _TEXTS if getattr(report, name) is not None}
    return report.model_copy(update=dict.fromkeys(told)) if told else report


def with_texts(report: PassChanged, record: PassRecord, compiled: CompiledTemplate) -> PassChanged:
    """Say in a report what the pass shows by now; of a scan that was refused, why."""
    return report.model_copy(update=_texts_of(record, compiled, report.refused))


def manner_of(command: ChangePass) -> Manner:
    return Manner(
        command.trusted,
        command.replace_all,
        command.push,
        tuple(command.withheld),
        command.literal,
        command.voided,
        command.passcode,
        command.wallet,
        command.styles,
        command.link,
    )
