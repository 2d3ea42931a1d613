"""Google Wallet: from a card to the class and the object that a pass is to have there."""

from dataclasses import dataclass
from typing import Any, Final, cast

from services.generator.renderers.apple import TemplateBundle
from shared.contracts.generator import GoogleDocument, GooglePass, GoogleType
from shared.contracts.triggers import Pass
from shared.passes.google.projection import GoogleDocument as ComposedDocument
from shared.passes.google.projection import GoogleProjector, Projection
from shared.passes.schema.registry import FIELD_GROUPS, STYLES
from shared.passes.schema.values import is_list, is_object, to_text
from shared.passes.template.news import PLACEHOLDER

_MAX_MESSAGE: Final = 500
"""Characters of a changeMessage that are kept for a notice."""


@dataclass(frozen=True, slots=True)
class RenderedGoogle:
    """A pass as it is to be at Google."""

    pass_: Pass
    projector: GoogleProjector
    projection: Projection
    revision: int
    """Of what its class is made of: template and style."""
    content: dict[str, Any]
    """Of its card."""

    @property
    def class_digest(self) -> bytes:
        document = self.projection.class_.document
        return document.digest if document else b""

    def told(self, *, with_class: bool) -> GooglePass:
        """Say it to whoever sends; the class goes along where it may be news."""
        pass_, projector = self.pass_, self.projector
        class_ = self.projection.class_
        return GooglePass(
            account_id=pass_.account_id,
            template_id=pass_.template_id,
            handle=pass_.handle,
            member_id=pass_.member_id,
            version=pass_.version,
            push_version=pass_.push_version,
            issuer_id=projector.issuer_id,
            class_id=class_.id,
            class_revision=self.revision,
            class_document=self._told(class_.document) if with_class and class_.document else None,
            object_document=self._told(self.projection.object_),
            watched=watched_fields(self.content),
        )

    def _told(self, document: ComposedDocument) -> GoogleDocument:
        return GoogleDocument(
            type=cast("GoogleType", self.projector.google_type),
            id=document.id,
            body=document.content,
            digest=document.digest.hex(),
        )


def render_google(
    pass_: Pass, bundle: TemplateBundle, projector: GoogleProjector, *, may_vary: bool = True
) -> RenderedGoogle:
    """Compose a pass for Google; the same state makes the same documents."""
    state = pass_.state()
    card = bundle.compiled.card(state)
    secret = bundle.tokens.secret_of(pass_.token_key)
    made = projector.project(
        card,
        state,
        secret=secret,
        at=pass_.updated_at,
        may_vary=may_vary,
        name=pass_.google_name,
        linked=pass_.linked,
    )
    return RenderedGoogle(pass_, projector, made, bundle.class_revision, card.content)


def watched_fields(content: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """List the fields whose change is announced: key → the text shown, and the changeMessage."""
    watched: dict[str, tuple[str, str]] = {}
    for style in STYLES:
        fields = content.get(style)
        if not is_object(fields):
            continue
        for group in FIELD_GROUPS:
            entries = fields.get(group)
            for entry in entries if is_list(entries) else ():
                message = entry.get("changeMessage") if is_object(entry) else None
                if isinstance(message, str) and PLACEHOLDER in message:
                    value = to_text(entry.get("value"))
                    watched[str(entry.get("key"))] = value, message[:_MAX_MESSAGE]
    return watched
