"""What is known of one pass, and of whoever issues it, at the moment of composing."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class PassState:
    """One pass: its values, its member's name, email, points, tier, external_id, and its flags."""

    handle: str
    serial: str
    values: dict[str, Any]
    member: dict[str, Any] | None
    voided: bool
    changed_at: datetime

    def with_values(self, values: dict[str, Any]) -> "PassState":
        """Return the same pass with other values; several times faster than dataclasses.replace."""
        return PassState(
            self.handle, self.serial, values, self.member, self.voided, self.changed_at
        )


@dataclass(frozen=True, slots=True)
class IssuerFacts:
    """What the signing identity and the account put on every pass."""

    pass_type_identifier: str
    team_identifier: str
    organization_name: str
    web_service_url: str | None = None
