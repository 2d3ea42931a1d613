"""A run of a trigger as data: what is left to do, what was done, what came of it."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from shared.passes.actions import Action
from shared.passes.values import Json


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


@dataclass(frozen=True, slots=True)
class Call:
    """A URL that has to be called before a run goes on; the position is unique in the run."""

    url: str
    position: int


@dataclass(frozen=True, slots=True)
class Operation:
    """What an action did to the values, so that it can be done again to others.

    `mark` tells what the pass had of its own around the path, when the values were last read.
    """

    path: str
    value: Json = None
    amount: Decimal | None = None
    mark: str = ""


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
            "operations": [
                {"path": o.path, "amount": str(o.amount)}
                if o.amount is not None
                else {"path": o.path, "value": o.value, "mark": o.mark}
                for o in self.operations
            ],
            "trace": list(self.trace),
            "url": self.call.url,
        }
