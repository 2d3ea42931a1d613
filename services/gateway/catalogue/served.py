"""What this process saw of contents last, so that a phone that has the newest costs one question.

Nothing here is taken to be so still: whoever uses it compares the pass's version with the one that
triggers tells at that moment, and the template's standing with the database.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from cachetools import LRUCache

from services.gateway.domain import Standing
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass

MAX_SERVED: Final = 50_000
"""Contents that are remembered, of some 600 bytes each."""


@dataclass(frozen=True, slots=True)
class ServedContent:
    """The newest content of a pass, and what it was made of: the same makes the same bytes."""

    handle: str
    account_id: UUID
    template_id: UUID
    serial_number: str
    pass_type_identifier: str
    pass_version: int
    standing: Standing
    content_number: int
    last_modified: datetime

    @classmethod
    def of(cls, issued: Pass, content: Content, standing: Standing) -> "ServedContent":
        return cls(
            issued.handle,
            issued.account_id,
            issued.template_id,
            issued.serial_number,
            content.pass_type_identifier,
            content.pass_version,
            standing,
            content.content_number,
            content.last_modified,
        )


class ServedContents:
    """The contents that were asked for last, by the serial number of their pass."""

    def __init__(self, most: int = MAX_SERVED) -> None:
        self._served = LRUCache[str, ServedContent](most)

    def remember(self, served: ServedContent) -> None:
        """Keep a content, unless a newer one is known; the oldest one goes for it."""
        known = self._served.get(served.serial_number)
        if known is None or known.content_number <= served.content_number:
            self._served[served.serial_number] = served

    def find(self, serial_number: str) -> ServedContent | None:
        """Find what was seen last of a pass."""
        return self._served.get(serial_number)
