"""A template tried on a sample pass: what each wallet would be given of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson

from services.gateway.domain import Image
from shared.errors import InvalidError
from shared.passes.apple.pass_json import AppleIssuer, write_pass_json
from shared.passes.google.checking import check_google
from shared.passes.google.projection import GoogleProjector
from shared.passes.language.state import Environment, PassState
from shared.passes.schema.findings import Findings
from shared.passes.schema.skeleton import json_step
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument

SAMPLE_MEMBER: Final[Mapping[str, Any]] = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "points": 120,
    "tier": "Gold",
    "external_id": "ada",
}

_NAME: Final = "sample"
"""The handle and the serial number of a sample."""

_NO_TEMPLATE: Final = UUID(int=0)
_NO_ISSUER: Final = "0"
"""Stands in ids where neither the template nor the account has an issuer at Google."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A pass that there might be."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    member: Mapping[str, Any] | None = field(default_factory=lambda: SAMPLE_MEMBER)


SAMPLE: Final = Sample()


@dataclass(frozen=True, slots=True)
class Setting:
    """What a template is tried in."""

    name: str
    organization: str
    apple: AppleIssuer
    base_url: str
    images: Mapping[str, Image]
    """The account's own of those that the template names, by SHA-256."""
    plain_logo: str
    """The SHA-256 of what stands in for a missing icon."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Preview:
    """What the wallets would be given of a sample."""

    pass_json: dict[str, Any]
    google_class: dict[str, Any] | None
    """None: the template names a class that is there already."""
    google_object: dict[str, Any]


def preview(
    document: TemplateDocument, sample: Sample, setting: Setting, findings: Findings
) -> Preview:
    """Compose a sample for both wallets, and note what is wrong with it at Google.

    Errors in the template do not keep it from being composed: what is wrong is left out. Of Google
    nothing is noted as long as the template has no section for it.
    """
    compiled = compile_template(
        document,
        name=setting.name,
        organization=setting.organization,
        environment=Environment(root_url=setting.base_url),
    )
    try:
        values = compiled.check_values(dict(sample.values))
    except InvalidError as error:
        values = {}
        for fault in error.errors:
            path = "$.sample.values" + json_step(fault["pointer"])
            findings.error("sample", path, fault["detail"])
    member = None if sample.member is None else dict(sample.member)
    member_id = None if member is None else member.get("external_id")
    state = PassState(
        _NAME, _NAME, values, member, voided=False, changed_at=setting.at, member_id=member_id
    )
    card = compiled.card(state)
    google = Findings(wallet="google")
    projector = GoogleProjector(
        document,
        compiled,
        template_id=_NO_TEMPLATE,
        issuer_id=_NO_ISSUER,
        base_url=setting.base_url,
        plain_logo=setting.plain_logo,
        findings=google,
    )
    sizes = {sha256: (image.width, image.height) for sha256, image in setting.images.items()}
    projection = check_google(projector, card, state, google, at=setting.at, sizes=sizes)
    if document.google:
        findings.entries += google.entries
    class_document = projection.class_.document
    return Preview(
        orjson.loads(write_pass_json(card, setting.apple)),
        None if class_document is None else class_document.content,
        projection.object_.content,
    )
