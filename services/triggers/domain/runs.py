"""Events whose rules had to call a URL: gone on with, and in the end let happen."""

from dataclasses import replace
from typing import Any

from services.triggers.domain.events import begin, change, lay_over, manner_of
from services.triggers.domain.records import PassRecord
from services.triggers.domain.upkeep import follow_moves
from shared.contracts.triggers import (
    ChangePass,
    EventKind,
    PassChanged,
    PassCreated,
)
from shared.passes.runs import Run
from shared.passes.template import CompiledTemplate


def resume(
    kind: EventKind,
    command: dict[str, Any],
    program: dict[str, Any],
    record: PassRecord,
    compiled: CompiledTemplate,
) -> Run:
    """Go on with rules after their call, on the pass as it is by now."""
    trial = replace(record)
    follow_moves(trial, compiled)
    if kind != "create":
        asked = ChangePass.model_validate(command)
        lay_over(trial, asked.values, compiled, manner_of(asked))
    run = compiled.load_run(program)
    return compiled.resume(run, trial.state(run.at))


def conclude(
    kind: EventKind,
    command: dict[str, Any],
    run: Run,
    record: PassRecord,
    compiled: CompiledTemplate,
) -> PassCreated | PassChanged:
    """Let the event of a run that is over happen; InvalidError when the rules stopped it."""
    if kind == "create":
        begin(record, compiled, run.outcome)
        return PassCreated(handle=record.handle, version=record.version)
    asked = ChangePass.model_validate(command)
    manner = manner_of(asked)
    return change(record, kind, asked.values, compiled, run.at, manner=manner, outcome=run.outcome)
