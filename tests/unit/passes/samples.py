"""Templates and passes for the tests of shared.passes."""

import copy
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson

from shared.passes.apple.pass_json import AppleIssuer, write_pass_json
from shared.passes.language.state import PassState
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument

ISSUER = AppleIssuer("pass.com.example.coffee", "TEAM123456", "https://w.example/wallet")

STORE_CARD: dict[str, Any] = {
    "description": "Coffee card",
    "organizationName": "Beans",
    "backgroundColor": "#663300",
    "storeCard": {
        "headerFields": [
            {
                "key": "points",
                "label": "Points",
                "value": {"value": 0, "editable": True, "label": "Points balance"},
                "changeMessage": "Now %@ points",
            }
        ],
        "secondaryFields": [{"key": "member", "label": "Member", "value": "{member_name}"}],
        "backFields": [
            {
                "key": "news_flash",
                "label": "News",
                "value": "Dear {member_name}: {structure_headerFields_points_value} points, {code}",
            }
        ],
    },
    "barcodes": [{"format": "PKBarcodeFormatQR"}],
}


def a_document(changes: dict[str, Any] | None = None, **parts: Any) -> TemplateDocument:
    skeleton = {**copy.deepcopy(STORE_CARD), **(changes or {})}
    parts.setdefault("properties", {"code": "C-{member_external_id}"})
    return TemplateDocument.model_validate({"pass": skeleton, **parts})


def a_card(fields: list[dict[str, Any]], **parts: Any) -> TemplateDocument:
    return a_document({"storeCard": {"headerFields": fields}, "barcodes": []}, **parts)


def a_template(changes: dict[str, Any] | None = None, **parts: Any) -> CompiledTemplate:
    return compile_template(a_document(changes, **parts), name="Card", organization="Beans Ltd")


def compiled(document: TemplateDocument) -> CompiledTemplate:
    return compile_template(document, name="Card", organization="Beans Ltd")


def a_pass(
    values: dict[str, Any] | None = None,
    member: dict[str, Any] | None = None,
    *,
    voided: bool = False,
    happened: Iterable[str] = (),
    literal: Iterable[str] | None = None,
) -> PassState:
    return PassState(
        "handle0",
        "serial0",
        values or {},
        member,
        voided,
        datetime(2026, 11, 21, tzinfo=UTC),
        frozenset(happened),
        None if literal is None else frozenset(literal),
    )


def composed(template: CompiledTemplate, state: PassState) -> dict[str, Any]:
    return orjson.loads(pass_json(template, state))


def pass_json(template: CompiledTemplate, state: PassState) -> bytes:
    return write_pass_json(template.card(state), ISSUER)


ANN = {"name": "Ann", "email": "ann@example.org", "points": 7, "tier": "gold", "external_id": "77"}
