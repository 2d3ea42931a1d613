"""Events whose rules had to call a URL: gone on with, and in the end let happen."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.triggers.domain.events import begin, change, lay_over, manner_of
from services.triggers.domain.issuing import created
from services.triggers.domain.records import SCAN_TEXTS, PassRecord
from services.triggers.domain.upkeep import follow_moves, push
from shared import clock
from shared.contracts.triggers import (
    ChangePass,
    CreatePass,
    EventKind,
    PassChanged,
    PassCreated,
)
from shared.passes.language.runs import Run
from shared.passes.template.compiled import CompiledTemplate


def resume(
    kind: EventKind,
    command: dict[str, Any],
    run: Run,
    record: PassRecord,
    compiled: CompiledTemplate,
) -> Run:
    """Go on with rules after their call, on the pass as it is by now."""
    trial = replace(record)
    follow_moves(trial, compiled)
    if kind != "create":
        asked = ChangePass.model_validate(command)
        lay_over(trial, asked.values, compiled, manner_of(asked))
    return compiled.resume(run, trial.state(run.at))


def conclude(
    kind: EventKind,
    command: dict[str, Any],
    run: Run,
    record: PassRecord,
    compiled: CompiledTemplate,
    *,
    meanwhile: Mapping[str, int],
) -> PassCreated | PassChanged:
    """Let the event of a run that is over happen; InvalidError when the rules stopped it.

    `meanwhile` holds the paths that were changed since the run began, with the version of the last
    change: what a called service changes counts as the event's own doing, and phones get it.
    """
    if kind == "create":
        asked = CreatePass.model_validate(command)
        begin(record, compiled, run.outcome, voided=asked.voided)
        return created(record, compiled)
    change_asked = ChangePass.model_validate(command)
    manner = manner_of(change_asked)
    before = replace(record)
    changed = change(
        record, kind, change_asked.values, compiled, run.at, manner=manner, outcome=run.outcome
    )
    seen = {path: version for path, version in meanwhile.items() if path not in SCAN_TEXTS}
    if not seen:
        return changed
    if manner.push and max(seen.values()) > before.push_version == record.push_version:
        push(record, clock.now())
    return changed.model_copy(
        update={
            "updated": True,
            "values_changed": True,
            "version": record.version,
            "sequence": record.sequence,
        }
    )
