"""Conditions: whether a field or the barcode is shown, and whether an action is done.

The language is in conditions.lark. A condition is parsed and compiled once per revision of its
template; what is left to do per pass is to call nested functions.
"""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final, Protocol, TypeAlias

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput

from shared.passes.language.condition_nodes import (
    Comparison,
    Either,
    Every,
    Happened,
    Literal,
    Magic,
    Negation,
    Node,
    Test,
)
from shared.passes.language.magic import Reference, find_reference
from shared.passes.language.paths import PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.values import Json, is_number, parse_number, to_text

MAX_SOURCE_BYTES: Final = 1024
MAX_NODES: Final = 200
DEEPEST: Final = 16

MAX_DIGITS: Final = 16

_DIGITS = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)*)([0-9A-Za-z_.]*)", re.ASCII)
_ESCAPE = re.compile(r'\\(["\\])')
_COMPARE: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
}


class ConditionError(ValueError):
    """The text is no condition; `position` is the offset of the character where that shows."""

    def __init__(self, detail: str, position: int) -> None:
        super().__init__(f"at character {position + 1}: {detail}")
        self.position = position


class Reader(Protocol):
    """What a condition asks of a pass."""

    @property
    def happened(self) -> frozenset[str]: ...

    def evaluate(self, reference: Reference) -> Json: ...


Evaluate: TypeAlias = Callable[[Reader], Any]
Holds: TypeAlias = Callable[[Reader], bool]


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Node:
    """Return the condition as a tree, or ConditionError."""
    if len(text.encode(errors="replace")) > MAX_SOURCE_BYTES:
        raise ConditionError(f"a condition has at most {MAX_SOURCE_BYTES} bytes", MAX_SOURCE_BYTES)
    # Lark's own types say little.
    parser: Any = _parser()
    try:
        measured: _Measured = parser.parse(text)
    except UnexpectedCharacters as error:
        position: int = getattr(error, "pos_in_stream", 0)
        raise ConditionError(_advice(text, position), position) from None
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    return measured.node


def _advice(text: str, position: int) -> str:
    """Say what is wrong with what begins here, and what to write instead."""
    if run := _DIGITS.match(text, position):
        number, rest = run.groups()
        if len(re.sub(r"[^0-9]", "", number.partition(".")[0])) > MAX_DIGITS:
            return f"a number has at most {MAX_DIGITS} digits; write longer ones as text in quotes"
        if rest.upper() in {"AND", "OR"}:
            return f"a blank is needed between {number} and {rest}"
        return f"{number}{rest} is no number: write it out as 100 or 0.5, or as text in quotes"
    return f"{text[position]!r} means nothing here"


def _unexpected(error: UnexpectedInput, text: str) -> ConditionError:
    token: Any = getattr(error, "token", None)
    if token is None or token.type == "$END":
        return ConditionError("something is missing at the end", len(text))
    return ConditionError(f"{str(token)!r} cannot stand here", token.start_pos)


@dataclass(frozen=True, slots=True)
class _Measured:
    """A node with its depth and the number of nodes in it, so that limits hold while parsing."""

    node: Node
    position: int
    depth: int = 1
    size: int = 1


def _over(parts: Sequence[_Measured], node: Node, position: int) -> _Measured:
    depth = max(part.depth for part in parts) + 1
    size = sum(part.size for part in parts) + 1
    if depth > DEEPEST:
        raise ConditionError(f"nested deeper than {DEEPEST}", position)
    if size > MAX_NODES:
        raise ConditionError(f"more than {MAX_NODES} parts", position)
    return _Measured(node, position, depth, size)


class _Builder(Transformer[Token, Any]):
    """Makes nodes while the parser runs, so that no tree is walked and no nesting recurses."""

    def magic(self, items: list[Token]) -> _Measured:
        return _Measured(Magic(str(items[0])[1:-1]), _start(items[0]))

    def number(self, items: list[Token]) -> _Measured:
        return _Measured(Literal(parse_number(str(items[0])) or 0), _start(items[0]))

    def text(self, items: list[Token]) -> _Measured:
        return _Measured(Literal(_ESCAPE.sub(r"\1", str(items[0])[1:-1])), _start(items[0]))

    def truth(self, items: list[Token]) -> _Measured:
        return _Measured(Literal(str(items[0]) == "true"), _start(items[0]))

    def word(self, items: list[Token]) -> _Measured:
        return _Measured(Happened(str(items[0])), _start(items[0]))

    def negation(self, items: list[_Measured]) -> _Measured:
        return _over(items, Negation(items[0].node), items[0].position)

    def group(self, items: list[_Measured]) -> _Measured:
        return _over(items, items[0].node, items[0].position)

    def plain(self, items: list[Token]) -> tuple[str, bool]:
        return str(items[0]), False

    def opposite(self, items: list[tuple[str, bool]]) -> tuple[str, bool]:
        word, is_opposite = items[0]
        return word, not is_opposite

    def comparison(self, items: list[Any]) -> _Measured:
        left, (comparator, is_opposite), right = items
        node = Comparison(left.node, comparator, right.node, is_opposite)
        return _over((left, right), node, left.position)

    def check(self, items: list[Any]) -> _Measured:
        operand, (test, is_opposite) = items
        return _over((operand,), Test(operand.node, test, is_opposite), operand.position)

    def all_of(self, items: list[_Measured]) -> _Measured:
        return _over(items, Every(tuple(item.node for item in items)), items[0].position)

    def any_of(self, items: list[_Measured]) -> _Measured:
        return _over(items, Either(tuple(item.node for item in items)), items[0].position)


def _start(token: Token) -> int:
    return token.start_pos or 0


@cache
def _parser() -> Lark:
    grammar = (
        files(__package__ or "shared.passes.language")
        .joinpath("conditions.lark")
        .read_text("utf-8")
    )
    return Lark(grammar, parser="lalr", transformer=_Builder())


class Condition:
    """A condition of one template, ready to be asked."""

    __slots__ = ("_holds", "node", "unknown")

    def __init__(self, node: Node, holds: Holds, unknown: tuple[str, ...]) -> None:
        self._holds = holds
        self.node = node
        # The names in brackets that the template does not know; they are null.
        self.unknown = unknown

    def holds(self, reader: Reader) -> bool:
        return self._holds(reader)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.node == other.node

    def __hash__(self) -> int:
        return hash(self.node)

    def __str__(self) -> str:
        """Write the condition so that it reads the same, whatever the author's spacing."""
        return str(self.node)


def compile_condition(text: str, path_index: PathIndex) -> Condition:
    """Return the condition that a text spells out, or ConditionError."""
    node = parse_condition(text)
    unknown: list[str] = []
    holds = _truth(node, path_index, unknown)
    return Condition(node, holds, tuple(unknown))


def read_condition(
    text: Json, json_path: str, path_index: PathIndex, findings: Findings
) -> Condition | None:
    """Return the condition, or None with an error for one that cannot be read."""
    if not isinstance(text, str):
        findings.error("condition", json_path, "a condition is a text")
        return None
    try:
        condition = compile_condition(text, path_index)
    except ConditionError as error:
        findings.error("condition", json_path, str(error))
        return None
    for name in condition.unknown:
        findings.warn("unknown-path", json_path, f"{{{name}}} names no path and is null")
    return condition


def never() -> Condition:
    """Return the condition in place of one that cannot be read."""
    return Condition(Literal(value=False), lambda _reader: False, ())


def _truth(node: Node, path_index: PathIndex, unknown: list[str]) -> Holds:
    holds: Holds
    match node:
        case Every(parts):
            holds = _every([_truth(part, path_index, unknown) for part in parts])
        case Either(parts):
            holds = _either([_truth(part, path_index, unknown) for part in parts])
        case Negation(inner):
            holds = _negation(_truth(inner, path_index, unknown))
        case Happened(word):
            holds = _happened(word)
        case Comparison():
            holds = _comparison(node, path_index, unknown)
        case Test(operand, "isSet"):
            holds = _is_set(_value(operand, path_index, unknown), is_opposite=node.is_opposite)
        case Test(operand):
            value = _value(operand, path_index, unknown)
            may_read = isinstance(operand, Magic)
            holds = _is_empty(value, may_read=may_read, is_opposite=node.is_opposite)
        case _:
            value = _value(node, path_index, unknown)
            holds = _is_empty(value, may_read=isinstance(node, Magic), is_opposite=True)
    return holds


def _negation(inner: Holds) -> Holds:
    return lambda reader: not inner(reader)


def _happened(word: str) -> Holds:
    return lambda reader: word in reader.happened


def _is_set(value: Evaluate, *, is_opposite: bool) -> Holds:
    return lambda reader: (value(reader) is not None) != is_opposite


def _is_empty(value: Evaluate, *, may_read: bool, is_opposite: bool) -> Holds:
    return lambda reader: is_empty(value(reader), may_read=may_read) != is_opposite


def _every(parts: list[Holds]) -> Holds:
    def holds(reader: Reader) -> bool:
        return all(part(reader) for part in parts)

    return holds


def _either(parts: list[Holds]) -> Holds:
    def holds(reader: Reader) -> bool:
        return any(part(reader) for part in parts)

    return holds


def _comparison(node: Comparison, path_index: PathIndex, unknown: list[str]) -> Holds:
    left = _value(node.left, path_index, unknown)
    right = _value(node.right, path_index, unknown)
    may_read_left, may_read_right = isinstance(node.left, Magic), isinstance(node.right, Magic)
    compare = _COMPARE[node.comparator]
    is_opposite = node.is_opposite

    def holds(reader: Reader) -> bool:
        one, other = left(reader), right(reader)
        number = as_number(one, may_read=may_read_left)
        other_number = as_number(other, may_read=may_read_right)
        if number is None or other_number is None:
            return compare(to_text(one), to_text(other)) != is_opposite
        return compare(number, other_number) != is_opposite

    return holds


def _value(node: Node, path_index: PathIndex, unknown: list[str]) -> Evaluate:
    match node:
        case Literal(value):
            return lambda _reader: value
        case Magic(name):
            reference = find_reference(name, path_index)
            if reference is None:
                unknown.append(name)
                return lambda _reader: None
            return lambda reader: reader.evaluate(reference)
        case _:
            return _truth(node, path_index, unknown)


def as_number(value: Json, *, may_read: bool) -> int | float | None:
    """Return what a value counts as a number, or None if it is a text.

    `may_read` is for values of brackets: their text is a number if it reads as one.
    """
    if value is None:
        return 0
    if isinstance(value, bool):
        return int(value)
    if is_number(value):
        return value
    return parse_number(value) if may_read and isinstance(value, str) else None


def is_empty(value: Json, *, may_read: bool) -> bool:
    """Whether this is 0, false, "" or null; what a bracket gives also if it reads so."""
    if isinstance(value, str) and not may_read:
        return not value
    return value in ("", "false") or as_number(value, may_read=may_read) == 0
