"""Styles and style groups as the catalogue keeps them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from shared.contracts.gateway import ImageReference
from shared.passes.schema.findings import Finding
from shared.passes.styles.groups import StyleGroup
from shared.passes.styles.style import Style

Look = TypeVar("Look", Style, StyleGroup)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved(Generic[Look]):
    """A style or a group at its newest revision."""

    id: UUID
    account_id: UUID
    revision: int
    document: Look
    created_at: datetime
    updated_at: datetime

    @property
    def name(self) -> str:
        """What its author calls it."""
        return self.document.name


@dataclass(frozen=True, slots=True)
class LookDraft(Generic[Look]):
    """A style or a group that passed the check, ready to be saved."""

    document: Look
    warnings: list[Finding]
    images: dict[str, ImageReference]
    """File name in a pass of Apple Wallet → image; of a group there are none."""
