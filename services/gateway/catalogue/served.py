"""What this process saw of contents last, so that what has not changed costs one question.

Nothing here is taken to be so still: whoever uses it compares the pass's version with the one that
triggers tells at that moment, and the template's standing with the database.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from cachetools import LRUCache

from services.gateway.domain import Standing
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass

MAX_BYTES: Final = 32 * 1024 * 1024
"""About so much of contents is remembered: 50,000 without their files, or 5,000 with them."""

FACTS_BYTES: Final = 640
"""What is remembered of a content besides its files."""


@dataclass(frozen=True, slots=True)
class ServedContent:
    """The newest content of a pass, and what it was made of: the same makes the same bytes."""

    handle: str
    version: int
    """Of the pass: the content may be a newer one, of which the passcode says nothing."""
    account_id: UUID
    template_id: UUID
    serial_number: str
    passcode: str | None = field(repr=False)
    """What is kept of the passcode that guards the pass."""
    standing: Standing
    content: Content

    @classmethod
    def of(cls, issued: Pass, content: Content, standing: Standing) -> "ServedContent":
        return cls(
            issued.handle,
            issued.version,
            issued.account_id,
            issued.template_id,
            issued.serial_number,
            issued.passcode,
            standing,
            content,
        )

    def is_known_since(self, moment: datetime | None) -> bool:
        """Whether whoever has a content of this time has this one."""
        return moment is not None and self.content.last_modified <= moment

    @property
    def has_files(self) -> bool:
        return not self.content.not_modified

    @property
    def size(self) -> int:
        """Return about how many bytes it takes in memory."""
        content = self.content
        files = (content.pass_json, content.manifest, content.signature, *content.files.values())
        return FACTS_BYTES + sum(map(len, files))


class ServedContents:
    """The contents that were asked for last, by the name by which each was."""

    def __init__(self, most: int = MAX_BYTES) -> None:
        self._served = LRUCache[str, ServedContent](most, getsizeof=lambda served: served.size)

    def remember(self, name: str, served: ServedContent) -> None:
        """Keep a content, unless a newer one is known; what was used longest ago goes for it."""
        known = self._served.get(name)
        is_newest = known is None or known.content.content_number <= served.content.content_number
        if is_newest and served.size <= self._served.maxsize:
            self._served[name] = served

    def find(self, name: str) -> ServedContent | None:
        """Find what was seen last of a pass."""
        return self._served.get(name)
