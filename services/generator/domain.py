"""What the generator knows of passes, whatever wallet they are for. No I/O."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from shared.contracts.triggers import Pass
from shared.errors import GoneError


class ContentGoneError(GoneError):
    """The pass was deleted."""

    code = "pass_deleted"


@dataclass(frozen=True, slots=True)
class KnownPass:
    """The newest state of a pass that has arrived."""

    handle: str
    account_id: UUID
    template_id: UUID
    version: int
    state: str
    """The pass as JSON; nothing of one that is deleted."""
    is_deleted: bool

    def load(self) -> Pass:
        """Read the pass; not of a deleted one."""
        state: dict[str, Any] = orjson.loads(self.state)
        return Pass.model_validate(
            {
                **state,
                "handle": self.handle,
                "account_id": self.account_id,
                "template_id": self.template_id,
                "version": self.version,
            }
        )
