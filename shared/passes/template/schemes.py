"""What Apple's own validator asks of poster event tickets and semantic boarding passes."""

from collections.abc import Iterable
from typing import Final

from shared.passes.language.paths import PathIndex
from shared.passes.schema.findings import Findings
from shared.passes.schema.localization import split_language
from shared.passes.schema.values import Json, is_list

SCHEMES_PATH: Final = "preferredStyleSchemes"
POSTER_EVENT: Final = "posterEventTicket"
SEMANTIC_BOARDING: Final = "semanticBoardingPass"
STYLE_OF: Final = {POSTER_EVENT: "eventTicket", SEMANTIC_BOARDING: "boardingPass"}

_EVENT: Final = ("eventName", "venueName", "venueRegionName", "venueRoom")
_EVENT_OF_TYPE: Final = {
    "PKEventTypeSports": ("homeTeamAbbreviation", "awayTeamAbbreviation"),
    "PKEventTypeLivePerformance": ("performerNames",),
}
_FLIGHT: Final = (
    "airlineCode",
    "flightNumber",
    "originalDepartureDate",
    "originalBoardingDate",
    "originalArrivalDate",
    "departureAirportCode",
    "departureAirportTimeZone",
    "destinationAirportCode",
    "destinationAirportTimeZone",
    "passengerName",
    "seats",
)


def check_schemes(path_index: PathIndex, images: Iterable[str], findings: Findings) -> None:
    """Warn of what a preferred scheme lacks: Wallet then shows the usual style.

    Never an error, since a pass may bring by itself what the template lacks.
    """
    schemes = _default(path_index, SCHEMES_PATH)
    if not is_list(schemes):
        return
    for scheme in schemes:
        if scheme not in (*STYLE_OF, *STYLE_OF.values()):  # a tuple: an entry may be a list
            _warn(findings, f"Wallet knows no scheme {scheme!r}")
        elif STYLE_OF.get(scheme, scheme) != path_index.style:
            _warn(findings, f"{scheme} needs the style {STYLE_OF.get(scheme, scheme)}")
    if POSTER_EVENT in schemes:
        _check_poster(path_index, images, findings)
    if SEMANTIC_BOARDING in schemes:
        _check_semantics(SEMANTIC_BOARDING, _FLIGHT, path_index, findings)


def _check_poster(path_index: PathIndex, images: Iterable[str], findings: Findings) -> None:
    event_type = _default(path_index, "semantics_eventType")
    typed = _EVENT_OF_TYPE.get(event_type, ()) if isinstance(event_type, str) else ()
    _check_semantics(POSTER_EVENT, (*_EVENT, *typed), path_index, findings)
    slots = {split_language(name)[1].partition("@")[0] for name in images}
    if not slots & {"artwork", "background"}:
        _warn(findings, f"{POSTER_EVENT} needs the image artwork or background")
    has_code = {"barcode", "barcodes"} & path_index.given.keys()
    if has_code:
        _warn(findings, f"{POSTER_EVENT} shows no barcode")
    elif _default(path_index, "nfc_requiresAuthentication") is not True:
        _warn(findings, f"{POSTER_EVENT} needs nfc with requiresAuthentication, or a barcode")


def _check_semantics(
    scheme: str, needed: Iterable[str], path_index: PathIndex, findings: Findings
) -> None:
    missing = [key for key in needed if f"semantics_{key}" not in path_index.given]
    if missing:
        _warn(findings, f"{scheme} needs the semantics {', '.join(missing)}")


def _default(path_index: PathIndex, path: str) -> Json:
    leaf = path_index.given.get(path)
    return None if leaf is None else leaf.default


def _warn(findings: Findings, detail: str) -> None:
    findings.warn("style-scheme", f"$.pass.{SCHEMES_PATH}", detail)
