"""What a condition is made of; each part prints as it is written."""

from dataclasses import dataclass
from typing import TypeAlias

from shared.passes.schema.values import to_text


@dataclass(frozen=True, slots=True)
class Literal:
    """A text, a number, or true and false."""

    value: str | int | float | bool

    def __eq__(self, other: object) -> bool:
        """Tell 1 from true, which Python does not."""
        return (
            isinstance(other, Literal)
            and isinstance(self.value, bool) == isinstance(other.value, bool)
            and self.value == other.value
        )

    def __hash__(self) -> int:
        return hash(self.value)

    def __str__(self) -> str:
        if isinstance(self.value, str):
            return '"' + self.value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return to_text(self.value)


@dataclass(frozen=True, slots=True)
class Magic:
    """A path or a special word in brackets."""

    name: str

    def __str__(self) -> str:
        return f"{{{self.name}}}"


@dataclass(frozen=True, slots=True)
class Happened:
    """A state word."""

    word: str

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class Negation:
    inner: "Node"

    def __str__(self) -> str:
        return "!" + _in_term(self.inner)


@dataclass(frozen=True, slots=True)
class Comparison:
    left: "Node"
    comparator: str
    right: "Node"
    is_opposite: bool = False

    def __str__(self) -> str:
        comparator = f"!{self.comparator}" if self.is_opposite else self.comparator
        return f"{_in_term(self.left)} {comparator} {_in_term(self.right)}"


@dataclass(frozen=True, slots=True)
class Test:
    operand: "Node"
    test: str
    is_opposite: bool = False

    def __str__(self) -> str:
        return f"{_in_term(self.operand)} {'!' if self.is_opposite else ''}{self.test}"


@dataclass(frozen=True, slots=True)
class Every:
    """Parts joined by AND."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " AND ".join(
            f"({part})" if isinstance(part, Every | Either) else str(part) for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Either:
    """Parts joined by OR."""

    parts: tuple["Node", ...]

    def __str__(self) -> str:
        return " OR ".join(
            f"({part})" if isinstance(part, Either) else str(part) for part in self.parts
        )


Node: TypeAlias = Literal | Magic | Happened | Negation | Comparison | Test | Every | Either


def _in_term(node: Node) -> str:
    is_loose = isinstance(node, Negation | Comparison | Test | Every | Either)
    return f"({node})" if is_loose else str(node)
