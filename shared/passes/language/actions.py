"""What the triggers of a template say, read and checked; rules.py does it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import orjson

from shared.passes.language.conditions import Condition, read_condition
from shared.passes.language.magic import Fill, Parts, compile_value, parse, unknown_paths
from shared.passes.language.paths import PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import json_step
from shared.passes.schema.values import (
    MAX_NUMBER,
    MISSING,
    Json,
    UnfitError,
    force_number,
    is_list,
    is_number,
    is_object,
    parse_number,
    texts_within,
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
EXECUTE_TRIGGERS: Final = "PSActionExecuteTriggers"
CALL_URL: Final = "PSActionURL"
ADJUST_POINTS: Final = "PSActionAdjustPoints"
MAX_POINTS: Final = 10**9
"""By how much one action may change a member's points."""
DEEPEST_LISTS: Final = 16

MAX_URL_CHARACTERS: Final = 2000
# The rest of an address, behind its first bracket, is judged when it is called.
_WHOLE_URL: Final = re.compile(r"https?://[^\s/?#@\\]+(?:[/?#][^\s\\]*)?", re.IGNORECASE)
_BEGUN_URL: Final = re.compile(r"(?:https?://[^\s\\]*)?", re.IGNORECASE)

ACTION_NEEDS: Final = {
    SET_VALUE: ("targetPath", "value"),
    INCREMENT_VALUE: ("targetPath", "amount"),
    EXECUTE_TRIGGERS: ("targetPath",),
    CALL_URL: ("url",),
    ADJUST_POINTS: ("amount",),
}
"""What each action needs beside its name."""


@dataclass(frozen=True, slots=True)
class Action:
    """One step of a trigger, compiled; `source` is what its author wrote."""

    name: str
    source: Mapping[str, Any]
    condition: Condition | None = None
    target_path: str = ""
    fill: Fill | None = None
    amount: Decimal = Decimal(0)
    url: str | Parts = ""


def read_actions(
    entry: Json, path: str, path_index: PathIndex, findings: Findings
) -> list[tuple[str, Action]]:
    """Return the sound actions of a list, each with its JSON path."""
    read: list[tuple[str, Action]] = []
    for item, item_path in _items(entry, path, findings, 1):
        action = _read_action(item, item_path, path_index, findings)
        if action is not None:
            read.append((item_path, action))
    return read


def parse_list(value: Json) -> Json:
    """Return the list of actions that a value of a path holds, or UnfitError."""
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
            # What is nested too deeply to be written again is refused here.
            orjson.dumps(value)
        except (orjson.JSONDecodeError, TypeError) as error:
            raise UnfitError(f"a JSON array of actions is needed: {error}") from error
    if not is_list(value) and not is_object(value):
        raise UnfitError("a JSON array of actions is needed")
    return value


def check_triggers(triggers: Mapping[str, Any], path_index: PathIndex, findings: Findings) -> None:
    """Report findings for all triggers of a template and the lists that they execute."""
    lists = _ListCheck(path_index, findings)
    for key, entry in triggers.items():
        path = "$.triggers" + json_step(key)
        if key not in TRIGGER_KEYS:
            findings.error("trigger", path, f"one of {', '.join(TRIGGER_KEYS)} is needed")
        lists.follow(read_actions(entry, path, path_index, findings), ())


def compile_triggers(triggers: Mapping[str, Any], path_index: PathIndex) -> dict[str, list[Action]]:
    """Return the actions by trigger; one with an error is left out, never done by halves."""
    return {
        key: [action for _, action in read_actions(triggers[key], "$", path_index, Findings())]
        for key in TRIGGER_KEYS
        if key in triggers
    }


def compile_lists(
    rules: Mapping[str, list[Action]], path_index: PathIndex
) -> dict[str, list[Action]]:
    """Return the lists that the template itself has at the paths its actions execute."""
    lists: dict[str, list[Action]] = {}
    waiting = [action for actions in rules.values() for action in actions]
    while waiting:
        action = waiting.pop()
        leaf = path_index.known.get(action.target_path)
        if action.name != EXECUTE_TRIGGERS or leaf is None or leaf.path in lists:
            continue
        try:
            entry = parse_list(None if leaf.default is MISSING else leaf.default)
        except UnfitError:
            continue
        read = [found for _, found in read_actions(entry, "$", path_index, Findings())]
        lists[leaf.path] = read
        waiting += read
    return lists


class _ListCheck:
    """Follows the actions that execute lists, each list once."""

    def __init__(self, path_index: PathIndex, findings: Findings) -> None:
        self._path_index = path_index
        self._findings = findings
        self._done: set[str] = set()

    def follow(self, actions: list[tuple[str, Action]], trail: tuple[str, ...]) -> None:
        for path, action in actions:
            if action.name == EXECUTE_TRIGGERS:
                self._check_list(action.target_path, f"{path}.targetPath", trail)

    def _check_list(self, target: str, path: str, trail: tuple[str, ...]) -> None:
        leaf = self._path_index.known.get(target)
        if target in trail:
            circle = " → ".join((*trail[trail.index(target) :], target))
            self._findings.error("cycle", path, f"these lists execute each other: {circle}")
        elif len(trail) >= DEEPEST_LISTS:
            detail = f"lists execute each other deeper than {DEEPEST_LISTS}"
            self._findings.error("too-deep", path, detail)
        elif leaf is not None and target not in self._done:
            self._done.add(target)
            if leaf.default is MISSING or leaf.default == "":
                detail = f"the template has no list at {target}: only a pass may give one"
                self._findings.warn("target-path", path, detail)
                return
            inner = f"$.properties{json_step(target)}" if leaf.source == "property" else target
            try:
                entry = parse_list(leaf.default)
            except UnfitError as error:
                self._findings.error("actions", path, f"{target}: {error}")
                return
            actions = read_actions(entry, inner, self._path_index, self._findings)
            self.follow(actions, (*trail, target))


def _items(
    entry: Json, path: str, findings: Findings, depth: int
) -> Iterator[tuple[dict[str, Any], str]]:
    """Give the actions of a list one after the other; a list may stand within a list."""
    if is_object(entry):
        yield entry, path
    elif not is_list(entry):
        code, detail = ("action", "an action is an object")
        if depth == 1:
            code, detail = ("actions", "an action or a list of actions is needed")
        findings.error(code, path, detail)
    elif depth > DEEPEST_LISTS:
        findings.error("too-deep", path, f"lists within lists deeper than {DEEPEST_LISTS}")
    else:
        for index, item in enumerate(entry):
            yield from _items(item, f"{path}[{index}]", findings, depth + 1)


def name_of(name: Json) -> str | None:
    """Return the action that a name means; calls of URLs went by several names."""
    if not isinstance(name, str):
        return None
    if name in ACTION_NEEDS:
        return name
    return CALL_URL if name.startswith("PSAction") and "URL" in name.upper() else None


def _read_action(
    item: dict[str, Any], path: str, path_index: PathIndex, findings: Findings
) -> Action | None:
    name = name_of(item.get("action"))
    if name is None:
        findings.error("action", f"{path}.action", f"one of {', '.join(ACTION_NEEDS)} is needed")
        return None
    needed = ACTION_NEEDS[name]
    action: Action | None = Action(name, item)
    if "targetPath" in needed:
        action = _with_target(action, item.get("targetPath"), path, path_index, findings)
    text = item.get("PSConditions")
    if text is not None and text != "":
        # An action whose condition cannot be read is never done.
        condition = read_condition(text, f"{path}.PSConditions", path_index, findings)
        action = replace(action, condition=condition) if action and condition else None
    if needed[-1] != "targetPath" and needed[-1] not in item:
        findings.error("action", path, f"{name} needs {needed[-1]}")
        return None
    for key in item.keys() - {"action", "PSConditions", *needed}:
        findings.warn("unknown-key", path + json_step(key), f"{name} has no such key")
    return action and _with_operand(action, item, path, path_index, findings)


def _with_target(
    action: Action, target: Json, path: str, path_index: PathIndex, findings: Findings
) -> Action | None:
    path = f"{path}.targetPath"
    if not isinstance(target, str) or not target:
        findings.error("target-path", path, "an API path is needed")
        return None
    leaf = path_index.find(target)
    if leaf is None:
        findings.warn("target-path", path, f"{target} names no path: the action does nothing")
    elif leaf.is_read_only and action.name != EXECUTE_TRIGGERS:
        findings.warn("target-path", path, f"{target} is read-only: the action does nothing")
    elif leaf.source == "image" and action.name != EXECUTE_TRIGGERS:
        findings.warn("target-path", path, f"{target} is an image: the action does nothing")
    return replace(action, target_path=path_index.aliases.get(target, target))


def _with_operand(
    action: Action, item: dict[str, Any], path: str, path_index: PathIndex, findings: Findings
) -> Action | None:
    if action.name == EXECUTE_TRIGGERS:
        return action
    if action.name == SET_VALUE:
        _warn_unknown(item["value"], f"{path}.value", path_index, findings)
        return replace(action, fill=compile_value(item["value"], path_index))
    if action.name == INCREMENT_VALUE:
        amount = _amount(item["amount"])
        if amount is None:
            findings.error("amount", f"{path}.amount", "a number is needed")
            return None
        return replace(action, amount=amount)
    if action.name == ADJUST_POINTS:
        return _with_points(action, item["amount"], f"{path}.amount", path_index, findings)
    return _with_url(action, item["url"], path, path_index, findings)


def _with_url(
    action: Action, url: Json, path: str, path_index: PathIndex, findings: Findings
) -> Action | None:
    if not isinstance(url, str) or not url.strip():
        findings.error("url", f"{path}.url", "an address is needed")
        return None
    _warn_unknown(url, f"{path}.url", path_index, findings)
    parts = parse(url, path_index)
    known = url if parts is None else str(parts[0])
    form = _WHOLE_URL if parts is None else _BEGUN_URL
    if not form.fullmatch(known) or len(url) > MAX_URL_CHARACTERS:
        detail = f"an http(s) address of at most {MAX_URL_CHARACTERS} characters is needed"
        findings.error("url", f"{path}.url", detail)
        return None
    return replace(action, url=parts or url)


def _with_points(
    action: Action, amount: Json, path: str, path_index: PathIndex, findings: Findings
) -> Action | None:
    """Take a whole number, or a text whose brackets make one when the action is done."""
    if isinstance(amount, str) and parse(amount, path_index):
        _warn_unknown(amount, path, path_index, findings)
        return replace(action, fill=compile_value(amount, path_index))
    number = _amount(amount)
    if number is None or number != int(number) or abs(number) > MAX_POINTS:
        findings.error("amount", path, f"a whole number within ±{MAX_POINTS:,} is needed")
        return None
    return replace(action, amount=number)


def _warn_unknown(value: Json, path: str, path_index: PathIndex, findings: Findings) -> None:
    for _, text in texts_within(value):
        for unknown in unknown_paths(text, path_index):
            findings.warn("unknown-path", path, f"{{{unknown}}} names no path and stays text")


def _amount(amount: Json) -> Decimal | None:
    number = parse_number(amount) if isinstance(amount, str) else amount
    if not is_number(number) or not abs(number) <= MAX_NUMBER:
        return None
    return force_number(amount if isinstance(amount, str) else number)
