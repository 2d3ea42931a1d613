"""A run of a trigger as data: what is left to do, what was done, what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from shared.passes.language.actions import Action
from shared.passes.schema.values import Json


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The values after a trigger (the same object if nothing changed) and what each action did.

    With an `error` the run was stopped: the values are those from before, the event did not
    happen, and whoever caused it gets the text.
    """

    values: dict[str, Any]
    trace: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    literal: frozenset[str] | None = None
    error: str | None = None
    points: int = 0
    """By how much the points of the pass's member change."""


@dataclass(frozen=True, slots=True)
class Call:
    """A URL that has to be called before a run goes on; the position is unique in the run."""

    url: str
    position: int

    @property
    def host(self) -> str:
        """The server's name in small letters; empty where the URL names none."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""


@dataclass(frozen=True, slots=True)
class Operation:
    """What an action did to the values, so that it can be done again to others.

    `mark` tells what the pass had of its own around the path, when the values were last read.
    """

    path: str
    value: Json = None
    amount: Decimal | None = None
    mark: str = ""
    points: int | None = None
    """What the member's ledger is to get, instead of anything done to the values."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What is left to do of one list of actions, and the path where the list stands."""

    path: str
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """A trigger's actions between their beginning and their end: there is a call or an outcome."""

    trigger: str
    at: datetime
    happened: frozenset[str]
    position: int = 0
    spent: int = 0
    frames: tuple[Frame, ...] = ()
    operations: tuple[Operation, ...] = ()
    trace: tuple[dict[str, Any], ...] = ()
    call: Call | None = None
    outcome: RuleOutcome | None = None

    def with_result(self, result: Mapping[str, Any]) -> "Run":
        """Note in the trace what came of the call that the run waits for, before it goes on."""
        if self.call is None:
            raise ValueError("the run is over")
        *done, entry = self.trace
        return replace(self, trace=(*done, {**entry, **result}))

    def to_json(self) -> dict[str, Any]:
        """Write a run that waits for a call as plain JSON; what is left to do is in it."""
        if self.call is None:
            raise ValueError("the run is over")
        return {
            "trigger": self.trigger,
            "at": self.at.isoformat(),
            "happened": sorted(self.happened),
            "position": self.position,
            "spent": self.spent,
            "frames": [
                {"path": frame.path, "actions": [dict(a.source) for a in frame.actions]}
                for frame in self.frames
            ],
            "operations": [_operation_to_json(operation) for operation in self.operations],
            "trace": list(self.trace),
            "url": self.call.url,
            "host": self.call.host,
        }


def _operation_to_json(operation: Operation) -> dict[str, Any]:
    if operation.points is not None:
        return {"path": operation.path, "points": operation.points}
    if operation.amount is not None:
        return {"path": operation.path, "amount": str(operation.amount)}
    return {"path": operation.path, "value": operation.value, "mark": operation.mark}


def operation_from_json(data: Mapping[str, Any]) -> Operation:
    """Read what a run wrote of an operation."""
    if "points" in data:
        return Operation(data["path"], points=data["points"])
    if "amount" in data:
        return Operation(data["path"], amount=Decimal(data["amount"]))
    return Operation(data["path"], value=data["value"], mark=data["mark"])
