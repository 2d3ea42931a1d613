"""The names under which a link's data come: paths of the template, and those that PassKit has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from shared.passes.schema.values import Json, is_list, is_object, to_text
from shared.passes.template.compiled import CompiledTemplate

MEMBER_NAMES: Final[Mapping[str, str]] = {
    "members.externalId": "external_id",
    "members.member.externalId": "external_id",
    "members.points": "points",
    "members.member.points": "points",
    "members.tierId": "tier",
    "members.member.tierId": "tier",
    "members.tier.name": "tier",
    "person.displayName": "name",
    "person.emailAddress": "email",
    "person.email": "email",
    "person.mobileNumber": "phone",
}
"""What a member has a field for; without a display name forename and surname make one."""

NAME_PARTS: Final = ("person.forename", "person.surname")

PATH_NAMES: Final[Mapping[str, str]] = {"universal.expiryDate": "expirationDate"}
"""What is a path of every template."""

CHANNEL_NAMES: Final[Mapping[str, str]] = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "campaign",
    "utm_name": "campaign",
    "utm_term": "term",
    "utm_content": "content",
}

FREE_PREFIXES: Final = ("person.", "members.member.", "members.", "universal.", "meta.")
"""What else begins so is a value where the template has a property or field of that name, with the
prefix or without, such as `meta.seat`; else it is left out."""

_LONGEST_FIRST: Final = tuple(sorted(map(str.lower, FREE_PREFIXES), key=len, reverse=True))
_MEMBER: Final = {name.lower(): target for name, target in MEMBER_NAMES.items()}
_PATHS: Final = {name.lower(): target for name, target in PATH_NAMES.items()}
_CHANNEL: Final = {name.lower(): target for name, target in CHANNEL_NAMES.items()}


@dataclass(frozen=True, slots=True)
class NamedData:
    """What was given for a link, by what it is."""

    member: dict[str, Json] = field(default_factory=dict[str, Json])
    values: dict[str, Json] = field(default_factory=dict[str, Json])
    """By path; a name that means nothing is kept as it is, for whoever checks values to refuse."""
    channel: dict[str, Json] = field(default_factory=dict[str, Json])
    left_out: list[str] = field(default_factory=list[str])
    """PassKit's names for which the template has no place."""


class LinkNames:
    """Tells what names mean for links of one template, those of PassKit in any case of letters."""

    def __init__(self, compiled: CompiledTemplate) -> None:
        self._compiled = compiled
        self._own = dict(_own_names(compiled))

    def sort(self, given: Mapping[str, Json]) -> NamedData:
        """Sort data by what their names mean; the template's own paths come before all else."""
        data = NamedData()
        parts: dict[str, str] = {}
        for name, value in given.items():
            lower = name.lower()
            if self._compiled.find(name) is not None:
                data.values[name] = value
            elif lower in _MEMBER:
                data.member[_MEMBER[lower]] = value
            elif lower in _CHANNEL:
                data.channel[_CHANNEL[lower]] = value
            elif lower in NAME_PARTS:
                parts[lower] = plain_text(value)
            elif path := _PATHS.get(lower) or self._own_path(lower):
                data.values[path] = value
            elif lower.startswith(_LONGEST_FIRST):
                data.left_out.append(name)
            else:
                data.values[name] = value
        if parts and "name" not in data.member:
            data.member["name"] = " ".join(filter(None, map(parts.get, NAME_PARTS)))
        return data

    def _own_path(self, name: str) -> str | None:
        prefix = next((one for one in _LONGEST_FIRST if name.startswith(one)), None)
        if prefix is None:
            return None
        return self._own.get(name) or self._own.get(name.removeprefix(prefix))


def plain_text(value: Json) -> str:
    """Write what a person is told by, trimmed; lists and objects tell nothing."""
    return "" if is_list(value) or is_object(value) else to_text(value).strip()


def _own_names(compiled: CompiledTemplate) -> Iterator[tuple[str, str]]:
    """Give the names of what a template has of its own, properties after fields' keys."""
    leaves = compiled.path_index.given.values()
    for leaf in leaves:
        if leaf.is_field_value and leaf.field_key is not None:
            yield leaf.field_key.lower(), leaf.path
    for leaf in leaves:
        if leaf.source == "property":
            yield leaf.path.lower(), leaf.path
