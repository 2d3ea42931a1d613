"""Bodies of dialects: they ignore what they do not know, and name it; how they name a place."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from shared.contracts.message import JsonObject
from shared.passes.schema.values import is_list, unescape_pointer


class Words(BaseModel):
    """A part of a body; keys that it does not know are kept, to be named."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="allow")

    def known(self) -> JsonObject:
        """Write what was given, without what the reference does not know."""
        names = set(type(self).model_fields)
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, include=names)

    def unknown_names(self, place: str = "") -> Iterator[str]:
        """Name what the reference does not know, here and in all entries."""
        yield from (f"{place}{name}" for name in self.model_extra or ())
        for name, value in vars(self).items():
            if isinstance(value, Words):
                yield from value.unknown_names(f"{place}{self._word(name)}.")
            elif is_list(value):
                for index, entry in enumerate(value):
                    if isinstance(entry, Words):
                        yield from entry.unknown_names(f"{place}{self._word(name)}[{index}].")

    @classmethod
    def _word(cls, name: str) -> str:
        """Return the reference's name of an attribute."""
        return cls.model_fields[name].alias or name


def is_none(value: object) -> bool:
    """Whether something is left out of an answer."""
    return value is None


def place_of(fault: dict[str, Any]) -> str:
    """Write a JSON pointer or path as people write places: `fields[0].value`."""
    pointer = str(fault.get("pointer", ""))
    if pointer.startswith("$"):
        return pointer.removeprefix("$").removeprefix(".")
    steps = pointer.strip("/").split("/")
    text = "".join(f"[{step}]" if step.isdigit() else f".{step}" for step in steps if step)
    return unescape_pointer(text.removeprefix("."))
