"""A pass composed for no wallet in particular; each wallet's renderer writes what that reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Card:
    """What a pass shows, with its member's facts, its conditions and all magic words applied."""

    handle: str
    serial_number: str
    content: dict[str, Any]
    """Texts, colours, fields, barcodes and dates, by the keys of pass.json; parts of it are shared
    with other cards of the template: never changed in place."""
    images: Mapping[str, str]
    """Slot → SHA-256, the pass's own before the template's; those of languages as `fr.lproj/logo`.
    """
    voided: bool = False
