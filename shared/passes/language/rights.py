"""What a text may show is decided by the rights of who wrote it.

A pass keeps marks beside its own values: a path alone says that the brackets there are plain text
(a user typed it, a rule set it). `{member}path` says that the writer could not read members, so
that their facts stay text there; `{account}path` that the writer had not every right, so that the
client hash and the addresses that carry it stay text. No path has a brace, so marks are no paths.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from shared.passes.schema.values import Json, is_list, is_object

Withheld: TypeAlias = Literal["account", "member"]

ACCOUNT_WORDS: Final = frozenset({"clientHash", "psEditorURL", "psScanURL", "psScannerConfigURL"})
"""Words that stand for a client hash, or for an address that lets its holder change passes."""

MEMBER_PATHS: Final = frozenset(
    {"member_name", "member_email", "member_points", "member_tier", "member_external_id"}
)
"""Paths that show what is known of a person."""

NOTHING: Final[frozenset[Withheld]] = frozenset()


def marks_for(path: str, value: Json, withheld: Iterable[Withheld]) -> list[str]:
    """Return what is kept beside a value that somebody without some rights wrote."""
    may_matter = is_list(value) or is_object(value) or (isinstance(value, str) and "{" in value)
    return [f"{{{right}}}{path}" for right in withheld] if may_matter else []


def path_of(mark: str) -> str:
    """Return the path that a mark is about."""
    return mark.partition("}")[2] if mark.startswith("{") else mark


def marks_within(marks: Iterable[str], values: Mapping[str, Any]) -> frozenset[str]:
    """Return the marks of values that are there."""
    return frozenset(mark for mark in marks if path_of(mark) in values)


def marks_outside(marks: Iterable[str], paths: Collection[str]) -> frozenset[str]:
    """Return the marks that are not about these paths."""
    return frozenset(mark for mark in marks if path_of(mark) not in paths)


def withheld_from(marks: frozenset[str] | None, path: str) -> frozenset[Withheld]:
    """Return what the text at a path may not show."""
    if not marks:
        return NOTHING
    rights: tuple[Withheld, ...] = ("account", "member")
    return frozenset(right for right in rights if f"{{{right}}}{path}" in marks)


def is_withheld(name: str, withheld: frozenset[Withheld]) -> bool:
    """Whether a bracket stays text for want of a right."""
    return ("account" in withheld and name in ACCOUNT_WORDS) or (
        "member" in withheld and name in MEMBER_PATHS
    )
