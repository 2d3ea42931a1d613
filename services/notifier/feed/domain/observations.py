"""What is seen of passes on their way to those who hold them."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from shared.contracts.message import JsonObject

DIGITS: Final = 8
"""Of a device, in what people see."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing seen of a pass on its way to devices; `device` is cut to 8 digits when kept."""

    account_id: UUID
    handle: str
    kind: str
    at: datetime
    device: str | None = None
    data: JsonObject = field(default_factory=dict[str, object])
