"""What the gateway announces: the catalogue, downhill to every service that projects it."""

from datetime import datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel

from shared.contracts.message import CatalogueEvent, Event, JsonObject

IDENTITY_PURPOSE = "identity"
"""What an identity's key is sealed for; its owner is the account id as text."""


GOOGLE_PURPOSE = "google issuer"
"""What the key file of a Google issuer is sealed for; its owner is the account id as text."""


class ImageReference(BaseModel):
    """One image of a template or a pass by the hashes of its bytes, which stay with the gateway."""

    sha256: str
    sha1: str
    crc32: int
    size: int


class AccountImage(BaseModel):
    """An image that an account may put into its templates and passes."""

    account_id: UUID
    image: ImageReference


class ImagesSaved(CatalogueEvent):
    """Accounts have new images; the bytes of one never change."""

    name: ClassVar = "gateway.images_saved.v1"

    images: list[AccountImage]


class TemplateSaved(CatalogueEvent):
    """A template has a new revision."""

    name: ClassVar = "gateway.template_saved.v1"

    template_id: UUID
    account_id: UUID
    revision: int
    template_name: str
    organization_name: str
    apple_identity_id: UUID
    """Which signing identity makes passes of Apple Wallet."""
    document: JsonObject
    """A `shared.passes.template.document.TemplateDocument` as JSON."""
    images: dict[str, ImageReference]
    """File name in the pass (`icon@2x.png`) → image; always holds an icon."""


class TemplateDeleted(CatalogueEvent):
    """A template is gone, with its passes."""

    name: ClassVar = "gateway.template_deleted.v1"

    template_id: UUID
    account_id: UUID
    revision: int


class StyleSaved(CatalogueEvent):
    """A style has a new revision, or is gone."""

    name: ClassVar = "gateway.style_saved.v1"

    style_id: UUID
    account_id: UUID
    revision: int
    document: JsonObject
    """A `shared.passes.styles.style.Style` as JSON."""
    images: dict[str, ImageReference]
    """File name in a pass of Apple Wallet (`logo@2x.png`) → image."""
    deleted: bool = False


class StyleGroupSaved(CatalogueEvent):
    """A style group has a new revision, or is gone."""

    name: ClassVar = "gateway.style_group_saved.v1"

    style_group_id: UUID
    account_id: UUID
    revision: int
    document: JsonObject
    """A `shared.passes.styles.groups.StyleGroup` as JSON."""
    deleted: bool = False


class AccountSaved(CatalogueEvent):
    """An account has new credentials; every client hash from before has ended."""

    name: ClassVar = "gateway.account_saved.v1"

    account_id: UUID
    credential_epoch: int
    """1 for an account that was never heard of; it only rises."""


class IdentitySaved(CatalogueEvent):
    """A signing identity is new or renewed; its key crosses sealed by the master key."""

    name: ClassVar = "gateway.identity_saved.v1"

    identity_id: UUID
    account_id: UUID
    revision: int
    pass_type_identifier: str
    team_identifier: str
    sealed: str
    not_after: datetime


class GoogleIssuerSaved(CatalogueEvent):
    """A Google Wallet issuer is new, or its key or access is another; the key crosses sealed."""

    name: ClassVar = "gateway.google_issuer_saved.v1"

    issuer_id: str
    account_id: UUID
    revision: int
    email: str
    key_id: str
    project_id: str
    """Of Google Cloud: what limits calls."""
    sealed: str
    development: bool = False
    """Whether Google does not know it: nothing of it is sent to Google itself."""


class BatchEnded(Event):
    """A batch has come to its end, or was brought to it."""

    name: ClassVar = "gateway.batch_ended.v1"

    batch_id: UUID
    account_id: UUID
    kind: str
    state: Literal["finished", "cancelled", "failed"]
    rows: int
    done: int
    """How many rows were done, those that failed too."""
    failed: int
    ended_at: datetime
