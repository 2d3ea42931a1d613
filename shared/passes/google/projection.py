"""Classes and objects of Google Wallet, of a template and the cards of its passes.

A projector is made once per revision and account; of a pass it composes only what differs.
"""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson

from shared.passes.google import linked as linking
from shared.passes.google.blueprint import Blueprint
from shared.passes.google.classes import class_of, variant_keys
from shared.passes.google.objects import ObjectWriter
from shared.passes.google.raw import merge
from shared.passes.google.section import read_section
from shared.passes.language.state import PassState
from shared.passes.schema.findings import Findings
from shared.passes.schema.values import Json, is_object
from shared.passes.template.card import Card
from shared.passes.template.compiled import CompiledTemplate
from shared.passes.template.document import TemplateDocument

MAX_VARIANTS: Final = 200
"""Classes of one template; whoever counts them asks for no variant beyond."""

_ID_LENGTH: Final = 22
"""132 bits, in letters that Google takes in ids."""

_VARIANT_LENGTH: Final = 16
_PURPOSE: Final = b"google object\0"


@dataclass(frozen=True, slots=True)
class GoogleDocument:
    """A class or an object as it is to be at Google."""

    id: str
    content: dict[str, Any]
    """Parts of it are shared with other documents: never changed in place."""
    body: bytes
    """The same as JSON, its keys in order: equal contents are equal bytes."""
    digest: bytes
    """The SHA-256 of the body."""

    @classmethod
    def of(cls, content: dict[str, Any]) -> "GoogleDocument":
        body = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return cls(content["id"], content, body, sha256(body).digest())


@dataclass(frozen=True, slots=True)
class GoogleClass:
    """The class that an object belongs to."""

    id: str
    document: GoogleDocument | None
    """None: a class that is there already and is left as it is."""
    variant: str = ""
    """What its id has behind the template's, of a class for some passes only."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A pass at Google."""

    class_: GoogleClass
    object_: GoogleDocument


class GoogleProjector:
    """One revision of a template, ready to be composed for Google.

    `issuer_id` is the account's issuer, unless the template names one; `base_url` the public
    address, without a slash at its end; `style_id` the style that is laid over the template, whose
    class is another one; `plain_logo` the SHA-256 of what stands in for a logo.
    What `check_google` calls an error is left out. Several threads may use it at once.
    """

    def __init__(
        self,
        document: TemplateDocument,
        compiled: CompiledTemplate,
        *,
        template_id: UUID,
        style_id: UUID | None = None,
        issuer_id: str,
        base_url: str,
        plain_logo: str = "",
        findings: Findings | None = None,
    ) -> None:
        style: Json = document.pass_.get(compiled.path_index.style)
        section = read_section(
            document.google,
            style if is_object(style) else {},
            compiled.path_index,
            findings or Findings(),
        )
        self.blueprint = Blueprint.of(
            compiled,
            section,
            document.localizations,
            issuer_id=issuer_id,
            base_url=base_url,
            plain_logo=plain_logo,
        )
        self.google_type = section.google_type
        self.issuer_id = self.blueprint.issuer_id
        self._template = template_id.hex + (f"_s{style_id.hex}" if style_id else "")
        self._objects = ObjectWriter(self.blueprint)
        content = self.blueprint.blank.content
        self._is_eventful = self.google_type in {"eventTicket", "flight"}
        self._has_company = self.google_type != "generic"
        self._own = variant_keys(self.blueprint, content)
        self._company = content.get("organizationName")
        self._variant = lru_cache(MAX_VARIANTS)(self._make_variant)
        self.class_ = self._class("", self._own)

    def project(
        self,
        card: Card,
        state: PassState,
        *,
        secret: bytes,
        at: datetime,
        deleted: bool = False,
        may_vary: bool = True,
        name: str | None = None,
        linked: Sequence[str] = (),
    ) -> Projection:
        """Compose a pass, of its card and the state that the card was made of.

        `secret` keys the object's id, unless it has a `name`, and stays the same for as long as the
        pass lives. Without `may_vary` the template's class is used, whatever the pass says of its
        event or flight. `linked` are the names of objects of the same issuer; with those that the
        template links there are at most 50, else TooManyLinkedError.
        """
        class_ = self._class_of(card.content) if may_vary else self.class_
        composed = self._objects.write(card, state, at, deleted=deleted)
        raw = self.blueprint.section.object_part
        if not raw.is_empty:
            expansion = self.blueprint.compiled.expansion(self.blueprint.compiled.migrate(state))
            composed = merge(composed, raw.fill(expansion))
        name = name or f"p_{object_name(secret, card.handle)}"
        composed["id"] = f"{self.issuer_id}.{name}"
        if linked:
            ids = [f"{self.issuer_id}.{one}" for one in linked]
            others = composed.get("linkedObjectIds", [])
            composed["linkedObjectIds"] = linking.linked(ids, others)
        composed["classId"] = class_.id
        return Projection(class_, GoogleDocument.of(composed))

    def _class_of(self, content: Mapping[str, Any]) -> GoogleClass:
        if self.blueprint.section.class_id or not self._has_company:
            return self.class_
        if not self._is_eventful and content.get("organizationName") == self._company:
            return self.class_
        own = variant_keys(self.blueprint, content)
        if own == self._own:
            return self.class_
        return self._variant(orjson.dumps(own, option=orjson.OPT_SORT_KEYS))

    def _make_variant(self, own: bytes) -> GoogleClass:
        variant = "_v" + sha256(own).hexdigest()[:_VARIANT_LENGTH]
        return self._class(variant, orjson.loads(own))

    def _class(self, variant: str, own: Mapping[str, Any]) -> GoogleClass:
        if adopted := self.blueprint.section.class_id:
            return GoogleClass(adopted, None)
        raw = self.blueprint.section.class_part
        composed = merge(class_of(self.blueprint, own), raw.cleaned)
        composed["id"] = f"{self.issuer_id}.t_{self._template}{variant}"
        document = GoogleDocument.of(composed)
        return GoogleClass(document.id, document, variant)


def object_name(secret: bytes, handle: str) -> str:
    """Name the object of a pass: 22 letters, digits, - or _, which tell nothing of the handle."""
    digest = hmac.digest(secret, _PURPOSE + handle.encode(), "sha256")
    return urlsafe_b64encode(digest)[:_ID_LENGTH].decode()
