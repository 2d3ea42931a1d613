"""Trigger rules: what a template does to a pass's values when something happens to it.

A list of actions runs until it ends or has to call a URL. Then the run stands still as plain data,
and goes on when the caller has made the call, on the pass as it is by then.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Context, Decimal
from typing import Any, Final

import orjson

from shared.passes.language.actions import (
    ADJUST_POINTS,
    CALL_URL,
    DEEPEST_LISTS,
    EXECUTE_TRIGGERS,
    INCREMENT_VALUE,
    MAX_POINTS,
    SET_VALUE,
    Action,
    parse_list,
    read_actions,
)
from shared.passes.language.magic import Expansion, Lexicon
from shared.passes.language.own import mark_of, own_value
from shared.passes.language.paths import TRIGGER_ERROR_PATH
from shared.passes.language.rights import marks_within, withheld_from
from shared.passes.language.runs import (
    Call,
    Frame,
    Operation,
    RuleOutcome,
    Run,
    operation_from_json,
)
from shared.passes.language.state import PassState
from shared.passes.schema.findings import Findings
from shared.passes.schema.values import (
    MAX_NUMBER,
    MISSING,
    Json,
    UnfitError,
    force_number,
    plain_number,
    to_text,
)

MAX_VALUES: Final = 200
MAX_VALUE_BYTES: Final = 16 * 1024
MAX_VALUES_BYTES: Final = 64 * 1024
MAX_ACTIONS: Final = 1000
MAX_EXPANSION_CHARACTERS: Final = 1024 * 1024
"""How much text the actions of one run may make together, which bounds its time."""

_ARITHMETIC = Context(prec=34)


@dataclass(frozen=True, slots=True)
class Workings:
    """What the rules need of the template they belong to."""

    lexicon: Lexicon
    lists: Mapping[str, list[Action]]
    read: Callable[[PassState, str], Any]
    # The template's text of a value, expanded, where there is one: what an increment starts from.
    compose_text: Callable[[PassState, str], str | None]
    settle: Callable[[str, Any], Any]
    merge: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
    is_number_place: Callable[[str], bool]


class _StoppedError(Exception):
    """The run ends here; the text is for whoever caused the event."""


def start(trigger: str, actions: list[Action], state: PassState, workings: Workings) -> Run:
    """Run a trigger's actions until they end or have to call a URL."""
    if not actions:
        outcome = RuleOutcome(state.values, literal=state.literal)
        return Run(trigger, state.changed_at, state.happened, outcome=outcome)
    frame = Frame("", tuple(actions))
    run = Run(trigger, state.changed_at, state.happened, frames=(frame,))
    values = state.values
    if TRIGGER_ERROR_PATH in values:
        values = {path: value for path, value in values.items() if path != TRIGGER_ERROR_PATH}
    return _Runner(run, state, state.with_values(values), workings).go_on()


def resume(run: Run, state: PassState, workings: Workings) -> Run:
    """Go on after a call, on the pass as it is by then.

    What the run did so far is done again: increments add, and a set gives way where anybody wrote
    meanwhile. A psTriggerError among the values was written since the start, and stops the run.
    """
    if run.call is None:
        raise ValueError("the run is over")
    state = replace(state, happened=run.happened, changed_at=run.at)
    runner = _Runner(replace(run, call=None), state, state, workings)
    return runner.go_on(is_again=True)


def load_run(data: Mapping[str, Any], workings: Workings) -> Run:
    """Read what `to_json` wrote; actions that the template of today cannot do are left out."""
    path_index = workings.lexicon.path_index
    frames = tuple(
        Frame(
            frame["path"],
            tuple(a for _, a in read_actions(frame["actions"], "$", path_index, Findings())),
        )
        for frame in data["frames"]
    )
    operations = tuple(operation_from_json(operation) for operation in data["operations"])
    return Run(
        trigger=data["trigger"],
        at=datetime.fromisoformat(data["at"]),
        happened=frozenset(data["happened"]),
        position=data["position"],
        spent=data["spent"],
        frames=frames,
        operations=operations,
        trace=tuple(data["trace"]),
        call=Call(data["url"], data["position"]),
    )


class _Runner:
    """One stretch of a run: from its start or a call to the next call or the end."""

    def __init__(self, run: Run, given: PassState, state: PassState, workings: Workings) -> None:
        self._run = run
        self._given = given
        self._state = state
        self._workings = workings
        # The innermost list last, each with its next action last.
        self._frames = [(frame.path, list(reversed(frame.actions))) for frame in run.frames]
        self._operations = list(run.operations)
        self._trace = list(run.trace)
        self._position = run.position
        self._spent = run.spent

    def go_on(self, *, is_again: bool = False) -> Run:
        try:
            if is_again:
                self._check_error()
                self._do_again()
            call = self._advance()
        except _StoppedError as stop:
            outcome = RuleOutcome(
                self._given.values, self._trace, self._given.literal, error=str(stop)
            )
            return self._standing(outcome=outcome)
        if call is not None:
            return self._standing(call=call)
        return self._standing(outcome=self._outcome())

    def _standing(self, *, call: Call | None = None, outcome: RuleOutcome | None = None) -> Run:
        return replace(
            self._run,
            position=self._position,
            spent=self._spent,
            frames=tuple(
                Frame(path, tuple(reversed(actions))) for path, actions in self._frames if actions
            ),
            operations=tuple(self._marked(operation) for operation in self._operations)
            if call
            else (),
            trace=tuple(self._trace),
            call=call,
            outcome=outcome,
        )

    def _marked(self, operation: Operation) -> Operation:
        if operation.mark or operation.amount is not None or operation.points is not None:
            return operation
        path_index = self._workings.lexicon.path_index
        mark = mark_of(path_index, self._given.values, operation.path)
        return replace(operation, mark=mark)

    def _outcome(self) -> RuleOutcome:
        original, values = self._given.values, self._state.values
        # Equal content is no change: rules may set what is there already, and 1 == True in Python.
        is_same = values is original or orjson.dumps(
            values, option=orjson.OPT_SORT_KEYS
        ) == orjson.dumps(original, option=orjson.OPT_SORT_KEYS)
        points = sum(operation.points or 0 for operation in self._operations)
        if is_same:
            return RuleOutcome(original, self._trace, self._given.literal, points=points)
        literal = self._state.literal
        return RuleOutcome(
            values, self._trace, literal and marks_within(literal, values), points=points
        )

    def _check_error(self) -> None:
        error = self._state.values.get(TRIGGER_ERROR_PATH)
        if isinstance(error, str) and error:
            raise _StoppedError(error)

    def _do_again(self) -> None:
        path_index = self._workings.lexicon.path_index
        kept: list[Operation] = []
        for operation in self._operations:
            path = operation.path
            if operation.points is not None:
                kept.append(operation)
                continue
            entry: dict[str, Any] = {"path": path}
            try:
                if operation.amount is not None:
                    entry["action"] = INCREMENT_VALUE
                    self._increment(path, operation.amount)
                else:
                    entry["action"] = SET_VALUE
                    if mark_of(path_index, self._given.values, path) != operation.mark:
                        raise UnfitError("another value was written meanwhile")  # noqa: TRY301
                    self._set(path, operation.value)
            except UnfitError as error:
                self._trace.append({**entry, "reason": str(error)})
            else:
                kept.append(operation)
        self._operations = kept

    def _advance(self) -> Call | None:
        while self._frames:
            path, actions = self._frames[-1]
            if not actions:
                self._frames.pop()
                continue
            if self._position >= MAX_ACTIONS:
                raise _StoppedError(f"The triggers do more than {MAX_ACTIONS} actions.")
            if self._spent > MAX_EXPANSION_CHARACTERS:
                raise _StoppedError("The triggers make more text than a run may.")
            self._position += 1
            call = self._do(actions.pop(), path)
            if call is not None:
                return call
        return None

    def _do(self, action: Action, list_path: str) -> Call | None:
        entry: dict[str, Any] = {"action": action.name}
        if action.target_path:
            entry["path"] = action.target_path
        if list_path:
            entry["list"] = list_path
        self._trace.append(entry)
        expansion = Expansion(self._workings.lexicon, self._state)
        try:
            if action.condition is not None and not action.condition.holds(expansion):
                entry["skipped"] = str(action.condition)
            elif action.name == CALL_URL:
                # Neither the expanded address nor the query: a client hash or a token may be there.
                entry["url"] = re.split("[?#]", action.source["url"], maxsplit=1)[0]
                url = action.url
                text = url if isinstance(url, str) else expansion.expand_url(url)
                return Call(text, self._position)
            elif action.name == ADJUST_POINTS:
                entry["amount"] = self._adjust_points(action, expansion)
            elif action.name == EXECUTE_TRIGGERS:
                self._enter(action.target_path)
            else:
                self._change(action, entry, expansion)
        except UnfitError as error:
            entry["reason"] = str(error)
        finally:
            self._spent += expansion.spent
            if expansion.loops:
                entry["loops"] = sorted(set(expansion.loops))
        return None

    def _change(self, action: Action, entry: dict[str, Any], expansion: Expansion) -> None:
        path = action.target_path
        entry["from"] = entry["to"] = self._workings.read(self._state, path)
        if action.fill is not None:
            entry["to"] = self._set(path, action.fill(expansion))
            self._operations.append(Operation(path, value=entry["to"]))
        else:
            entry["to"] = self._increment(path, action.amount)
            self._operations.append(Operation(path, amount=action.amount))
        if path == TRIGGER_ERROR_PATH:
            self._check_error()

    def _adjust_points(self, action: Action, expansion: Expansion) -> int:
        """Note what the member's ledger is to get once the event has happened."""
        if self._state.member is None:
            raise UnfitError("the pass has no member, so no points change")
        amount = force_number(action.fill(expansion)) if action.fill else action.amount
        if amount != int(amount) or abs(amount) > MAX_POINTS:
            raise UnfitError(f"a whole number within ±{MAX_POINTS:,} is needed")
        self._operations.append(Operation("", points=int(amount)))
        return int(amount)

    def _set(self, path: str, value: Json) -> Json:
        value = self._workings.settle(path, value)
        literal = self._state.literal
        self._put(path, value, literal if literal is None else literal | {path})
        return value

    def _increment(self, path: str, amount: Decimal) -> int | float | str:
        workings, state = self._workings, self._state
        text = workings.compose_text(state, path)
        number = force_number(workings.read(state, path) if text is None else text)
        total = _ARITHMETIC.add(number, amount)
        if abs(total) > MAX_NUMBER:
            raise UnfitError("the number has grown too large")
        result = plain_number(total)
        value = workings.settle(path, result if workings.is_number_place(path) else to_text(result))
        self._put(path, value, state.literal)
        return value

    def _put(self, path: str, value: Json, literal: frozenset[str] | None) -> None:
        values = self._workings.merge(self._state.values, {path: value})
        if len(values) > MAX_VALUES or len(orjson.dumps(values)) > MAX_VALUES_BYTES:
            raise UnfitError("the pass has no room for more")
        self._state = self._state.with_values(values, literal)

    def _enter(self, path: str) -> None:
        if len(self._frames) > DEEPEST_LISTS:
            raise _StoppedError(f"The triggers execute lists deeper than {DEEPEST_LISTS}.")
        self._frames.append((path, list(reversed(self._list_at(path)))))

    def _list_at(self, path: str) -> list[Action]:
        workings = self._workings
        path_index = workings.lexicon.path_index
        leaf = path_index.known.get(path)
        if leaf is None:
            raise UnfitError("the template has no such path")
        value, owner = own_value(path_index, self._state.values, leaf)
        if value is MISSING:
            if path not in workings.lists:
                raise UnfitError("there is no list of actions")
            return workings.lists[path]
        if leaf.editable and not self._state.may_expand(owner):
            raise UnfitError("what a user typed is not executed")
        if withheld_from(self._state.literal, owner):
            raise UnfitError("what a key without every scope wrote is not executed")
        findings = Findings()
        actions = read_actions(parse_list(value), path, path_index, findings)
        if findings.errors:
            first = findings.errors[0]
            self._trace.append({"list": path, "reason": f"{first.path}: {first.detail}"})
        return [action for _, action in actions]
