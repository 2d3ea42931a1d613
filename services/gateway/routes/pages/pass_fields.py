"""The fields of a pass as a page writes them: styled values, and what in them is a link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from babel import Locale

from shared.passes.schema.formats import format_value
from shared.passes.schema.text_links import (
    DETECT_LINKS,
    DETECT_PHONES,
    Span,
    find_links,
    read_markup,
)
from shared.passes.schema.values import is_list
from shared.passes.template.display import DisplayField

BACK_GROUPS: Final = ("additionalInfoFields", "backFields")

SHORT_CHARACTERS: Final = 14
LONG_CHARACTERS: Final = 28

_ALIGNMENTS: Final = {
    "PKTextAlignmentLeft": "to-left",
    "PKTextAlignmentCenter": "to-center",
    "PKTextAlignmentRight": "to-right",
}
_ALL_DETECTORS: Final = frozenset({DETECT_LINKS, DETECT_PHONES})
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class WrittenField:
    """A field whose texts are final."""

    label: str
    spans: Sequence[Span]
    alignment: str = ""
    """The CSS class of its `textAlignment`, if it has one."""

    @property
    def size(self) -> str:
        """The CSS class of a text that is long for its place; Wallet writes it smaller."""
        length = sum(len(span.text) for span in self.spans)
        if length <= SHORT_CHARACTERS:
            return ""
        return "long" if length <= LONG_CHARACTERS else "longest"


def write_fields(
    groups: Mapping[str, Sequence[DisplayField]], locale: Locale, now: datetime
) -> dict[str, list[WrittenField]]:
    """Write all fields, by group. Only on the back does Wallet look for links by itself."""
    return {
        group: [_write(entry, locale, now, is_back=group in BACK_GROUPS) for entry in entries]
        for group, entries in groups.items()
    }


def _write(entry: DisplayField, locale: Locale, now: datetime, *, is_back: bool) -> WrittenField:
    detectors = _detectors(entry.styles) if is_back else _NONE
    is_attributed = entry.attributed not in (None, "")
    value = entry.attributed if is_attributed else entry.value
    text = format_value(value, entry.styles, locale, now)
    spans = read_markup(text) if is_attributed else [Span(text)]
    if detectors:
        spans = [
            found
            for span in spans
            for found in ([span] if span.href else find_links(span.text, detectors))
        ]
    return WrittenField(
        entry.label, spans, _ALIGNMENTS.get(str(entry.styles.get("textAlignment")), "")
    )


def _detectors(styles: Mapping[str, Any]) -> frozenset[str]:
    given = styles.get("dataDetectorTypes")
    return frozenset(map(str, given)) if is_list(given) else _ALL_DETECTORS
