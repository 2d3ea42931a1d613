"""Passes at Google for tests: every document that is composed here, Google's own schema judges."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.passes.google.checking import check_google
from shared.passes.google.projection import GoogleProjector, Projection
from shared.passes.language.state import PassState
from shared.passes.schema.findings import Finding, Findings
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from tests.google_schema import validate
from tests.unit.passes.samples import ANN, a_pass

ISSUER = "3388000000012345678"
TEMPLATE = UUID(int=7)
BASE = "https://passes.example.com"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SECRET = b"s" * 32
ICON, LOGO, STRIP, OTHER = "1" * 64, "2" * 64, "3" * 64, "4" * 64
IMAGES = {"icon": ICON, "logo": LOGO, "strip": STRIP}

FLIGHT: dict[str, Any] = {
    "airlineCode": "LH",
    "flightNumber": 400,
    "departureAirportCode": "FRA",
    "departureAirportTimeZone": "Europe/Berlin",
    "destinationAirportCode": "JFK",
    "originalDepartureDate": "2027-01-31T09:30Z",
    "passengerName": {"givenName": "Ann", "familyName": "Lee"},
    "confirmationNumber": "X1Y2Z3",
}
JOURNEY: dict[str, Any] = {
    "departureStationName": "Berlin",
    "destinationStationName": "Paris",
    "originalDepartureDate": "2027-01-31T09:30:00+01:00",
}


@dataclass
class GoogleCard:
    """One template, to be projected and checked."""

    document: TemplateDocument

    def __post_init__(self) -> None:
        self.compiled = compile_template(self.document, name="Card", organization="Beans Ltd")
        self.findings = Findings(wallet="google")
        self.projector = GoogleProjector(
            self.document,
            self.compiled,
            template_id=TEMPLATE,
            issuer_id=ISSUER,
            base_url=BASE,
            findings=self.findings,
        )

    def project(
        self, state: PassState | None = None, *, at: datetime = NOW, **more: Any
    ) -> Projection:
        state = state or a_pass(member=ANN)
        projection = self.projector.project(
            self.compiled.card(state), state, secret=SECRET, at=at, **more
        )
        google_type = self.projector.google_type
        if projection.class_.document is not None:
            validate(google_type, "class", projection.class_.document.content)
        validate(google_type, "object", projection.object_.content)
        return projection

    def class_(self, state: PassState | None = None) -> dict[str, Any]:
        document = self.project(state).class_.document
        assert document is not None
        return document.content

    def object_(self, state: PassState | None = None, **more: Any) -> dict[str, Any]:
        return self.project(state, **more).object_.content

    def check(self, sizes: Mapping[str, tuple[int, int]] | None = None) -> list[Finding]:
        self.project()
        state = a_pass(member=ANN)
        check_google(
            self.projector, self.compiled.card(state), state, self.findings, at=NOW,
            sizes=sizes or {},
        )  # fmt: skip
        return self.findings.entries

    def found(self) -> list[tuple[str, str, str]]:
        return [(f.severity, f.code, f.path) for f in self.check()]


def a_google_card(
    fields: dict[str, Any] | None = None,
    *,
    style: str = "storeCard",
    google: dict[str, Any] | None = None,
    images: dict[str, str] | None = None,
    localizations: dict[str, dict[str, str]] | None = None,
    properties: dict[str, Any] | None = None,
    triggers: dict[str, Any] | None = None,
    **keys: Any,
) -> GoogleCard:
    """Make a card of some groups of fields and some other keys of its pass."""
    skeleton = {
        "description": "Coffee card", "organizationName": "Beans", style: fields or {}, **keys,
    }  # fmt: skip
    document = TemplateDocument.model_validate(
        {
            "pass": skeleton,
            "google": google or {},
            "images": IMAGES if images is None else images,
            "localizations": localizations or {},
            "properties": properties or {},
            "triggers": triggers or {},
        }
    )
    return GoogleCard(document)


def a_field(key: str, value: Any, label: str = "", **more: Any) -> dict[str, Any]:
    return {"key": key, "label": label, "value": value, **more}


def uri(sha256: str) -> dict[str, Any]:
    return {"sourceUri": {"uri": f"{BASE}/images/{sha256}.png"}}


def text_of(localized: dict[str, Any]) -> str:
    return localized["defaultValue"]["value"]


def texts_of(document: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """The text modules of a class or an object: id → header, body."""
    return {
        module["id"]: (module.get("header", ""), module["body"])
        for module in document.get("textModulesData", [])
    }


def rows_of(document: dict[str, Any]) -> list[list[str]]:
    rows = document["classTemplateInfo"]["cardTemplateOverride"]["cardRowTemplateInfos"]
    return [
        [item["firstValue"]["fields"][0]["fieldPath"] for item in form.values()]
        for row in rows
        for form in row.values()
    ]
