"""Trigger rules: what a template does to a pass's values when something happens to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Any, Final

import orjson

from shared.passes.findings import Findings
from shared.passes.magic import unknown_paths
from shared.passes.paths import Catalogue
from shared.passes.skeleton import json_step
from shared.passes.state import PassState
from shared.passes.values import (
    LARGEST_NUMBER,
    Json,
    UnfitError,
    force_number,
    is_list,
    is_number,
    is_object,
    parse_number,
    plain_number,
    to_text,
)

TRIGGER_KEYS: Final = (
    "onCheck",
    "onCreate",
    "onInstall",
    "onDeviceUpdate",
    "onRegister",
    "onDelete",
    "onScan",
    "onEdit",
)
SET_VALUE: Final = "PSActionSetValue"
INCREMENT_VALUE: Final = "PSActionIncrementValue"
MOST_VALUES: Final = 200
LARGEST_VALUE: Final = 16 * 1024
LARGEST_VALUES: Final = 64 * 1024

_ARITHMETIC = Context(prec=34)
_CALLS_OUT: Final = frozenset({"PSActionExecuteTriggers"})


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a trigger."""

    name: str
    target_path: str
    value: Json = None
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """The values after a trigger (the same object if nothing changed) and what each action did."""

    values: dict[str, Any]
    trace: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])


@dataclass(frozen=True, slots=True)
class Workings:
    """What the rules need of the template they belong to."""

    read: Callable[[PassState, str], Any]
    # The template's text of a value, expanded, where there is one: what an increment starts from.
    compose_text: Callable[[PassState, str], str | None]
    expand: Callable[[PassState, str], str]
    settle: Callable[[str, Any], Any]
    merge: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
    is_number_place: Callable[[str], bool]


def check_triggers(triggers: Mapping[str, Any], catalogue: Catalogue, findings: Findings) -> None:
    """Report findings for all triggers of a template."""
    for key, entry in triggers.items():
        path = "$.triggers" + json_step(key)
        if key not in TRIGGER_KEYS:
            findings.error("trigger", path, f"one of {', '.join(TRIGGER_KEYS)} is needed")
        _read_actions(entry, path, catalogue, findings)


def compile_triggers(triggers: Mapping[str, Any], catalogue: Catalogue) -> dict[str, list[Action]]:
    """Return the actions by trigger; one with an error is left out, never done by halves."""
    return {
        key: _read_actions(triggers[key], "$", catalogue, Findings())
        for key in TRIGGER_KEYS
        if key in triggers
    }


def _read_actions(entry: Json, path: str, catalogue: Catalogue, findings: Findings) -> list[Action]:
    if is_object(entry):
        pairs: list[tuple[str, Any]] = [(path, entry)]
    elif is_list(entry):
        pairs = [(f"{path}[{index}]", item) for index, item in enumerate(entry)]
    else:
        findings.error("actions", path, "an action or a list of actions is needed")
        return []
    actions = [_read_action(item, item_path, catalogue, findings) for item_path, item in pairs]
    return [action for action in actions if action]


def _read_action(item: Json, path: str, catalogue: Catalogue, findings: Findings) -> Action | None:
    if not is_object(item):
        findings.error("action", path, "an action is an object")
        return None
    name = item.get("action")
    if name not in (SET_VALUE, INCREMENT_VALUE):
        _report_action(name, f"{path}.action", findings)
        return None
    needed = "value" if name == SET_VALUE else "amount"
    target = item.get("targetPath")
    # Doing the action whatever its conditions say would be wrong.
    if "PSConditions" in item:
        findings.error("conditions", f"{path}.PSConditions", "conditions are not supported yet")
    elif not isinstance(target, str) or not target:
        findings.error("target-path", f"{path}.targetPath", "an API path is needed")
    elif needed not in item:
        findings.error("action", path, f"{name} needs {needed}")
    else:
        for key in item.keys() - {"action", "targetPath", needed}:
            findings.warn("unknown-key", path + json_step(key), f"{name} has no such key")
        _check_target(target, f"{path}.targetPath", catalogue, findings)
        target = catalogue.aliases.get(target, target)
        read = _read_set if name == SET_VALUE else _read_increment
        return read(target, item[needed], f"{path}.{needed}", catalogue, findings)
    return None


def _read_set(
    target: str, value: Json, path: str, catalogue: Catalogue, findings: Findings
) -> Action:
    if isinstance(value, str):
        for unknown in unknown_paths(value, catalogue):
            findings.warn("unknown-path", path, f"{{{unknown}}} names no path and stays text")
    return Action(SET_VALUE, target, value=value)


def _read_increment(
    target: str, value: Json, path: str, _catalogue: Catalogue, findings: Findings
) -> Action | None:
    amount = _amount(value)
    if amount is None:
        findings.error("amount", path, "a number is needed")
        return None
    return Action(INCREMENT_VALUE, target, amount=amount)


def _report_action(name: Json, path: str, findings: Findings) -> None:
    if isinstance(name, str) and (
        name in _CALLS_OUT or (name.startswith("PSAction") and "URL" in name.upper())
    ):
        findings.error("action", path, f"{name} is not supported yet")
    else:
        findings.error("action", path, f"{SET_VALUE} or {INCREMENT_VALUE} is needed")


def _check_target(target: str, path: str, catalogue: Catalogue, findings: Findings) -> None:
    leaf = catalogue.find(target)
    if leaf is None:
        findings.warn("target-path", path, f"{target} names no path: the action does nothing")
    elif leaf.is_read_only:
        findings.warn("target-path", path, f"{target} is read-only: the action does nothing")


def _amount(amount: Json) -> Decimal | None:
    number = parse_number(amount) if isinstance(amount, str) else amount
    if not is_number(number) or not abs(number) <= LARGEST_NUMBER:
        return None
    return force_number(amount if isinstance(amount, str) else number)


def run_actions(actions: list[Action], state: PassState, workings: Workings) -> RuleOutcome:
    """Do the actions one after the other; each sees what those before it did."""
    trace: list[dict[str, Any]] = []
    original = state.values
    for action in actions:
        path = action.target_path
        before = workings.read(state, path)
        entry = {"action": action.name, "path": path, "from": before, "to": before}
        trace.append(entry)
        try:
            if action.name == SET_VALUE:
                value = _expanded(action.value, state, workings)
            else:
                value = _incremented(action, before, state, workings)
            value = workings.settle(path, value)
            values = workings.merge(state.values, {path: value})
            _check_room(values)
        except UnfitError as error:
            entry["reason"] = str(error)
            continue
        entry["to"] = value
        state = state.with_values(values)
    # Equal content is no change: rules may set what is there already, and 1 == True in Python.
    is_same = orjson.dumps(state.values, option=orjson.OPT_SORT_KEYS) == orjson.dumps(
        original, option=orjson.OPT_SORT_KEYS
    )
    return RuleOutcome(original if is_same else state.values, trace)


def _expanded(value: Json, state: PassState, workings: Workings) -> Json:
    if isinstance(value, str):
        return workings.expand(state, value)
    if is_list(value):
        return [_expanded(entry, state, workings) for entry in value]
    if is_object(value):
        return {key: _expanded(entry, state, workings) for key, entry in value.items()}
    return value


def _incremented(
    action: Action, before: Json, state: PassState, workings: Workings
) -> int | float | str:
    path = action.target_path
    text = workings.compose_text(state, path)
    number = force_number(before if text is None else text)
    total = _ARITHMETIC.add(number, action.amount)
    if abs(total) > LARGEST_NUMBER:
        raise UnfitError("the number has grown too large")
    result = plain_number(total)
    return result if workings.is_number_place(path) else to_text(result)


def _check_room(values: dict[str, Any]) -> None:
    if len(values) > MOST_VALUES or len(orjson.dumps(values)) > LARGEST_VALUES:
        raise UnfitError("the pass has no room for more")
