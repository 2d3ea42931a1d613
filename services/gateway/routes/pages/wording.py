"""The words of the pages themselves, in each language that they are written in."""

from collections.abc import Mapping
from typing import Final

ENGLISH: Final[Mapping[str, str]] = {
    "pass": "Pass",
    "add": "Add to Apple Wallet",
    "details": "Details",
    "open_on_phone": "Open on your phone",
    "scan_this": "Scan this code with the camera of your phone.",
    "page_code": "QR code of this page",
    "pass_code": "QR code of the pass",
    "voided": "This pass is no longer valid.",
    "voided_why": "Its issuer has voided it.",
    "expired": "This pass has expired.",
    "development": "For development only.",
    "development_why": "This pass is signed with a development certificate: "
    "a phone will not accept it.",
    "not_found": "There is no such pass",
    "not_found_why": "Check the address: part of it may be missing.",
    "no_page": "There is no such page",
    "no_page_why": "Check the address: part of it may be missing.",
    "not_available": "This page is not available yet",
    "not_available_why": "The link is right, but what it leads to is not offered here yet. "
    "Nothing has been changed; your pass works as before.",
    "gone": "This pass is gone",
    "gone_why": "Its issuer has deleted it. If that surprises you, ask them.",
    "too_large": "These passes are too large for one file",
    "too_large_why": "Download them one by one.",
    "enter_passcode": "Enter the passcode",
    "enter_passcode_why": "This pass is protected by a passcode. Whoever sent you the link can "
    "tell you.",
    "passcode": "Passcode",
    "go_on": "Continue",
    "passcode_wrong": "That is not the passcode. Check it and try again.",
    "too_many_attempts": "Too many wrong attempts. Try again in a quarter of an hour.",
    "link_ended": "This link no longer works",
    "link_ended_why": "Ask whoever sent it to you for a new one.",
    "offer": "Your pass is ready",
    "offer_why": "Press the button to get it.",
    "get_pass": "Get the pass",
    "bad_link": "This link does not work",
    "away": "One moment, please",
    "away_why": "The pass cannot be shown right now. Try again in a few seconds.",
}
GERMAN: Final[Mapping[str, str]] = {
    "pass": "Karte",
    "add": "Zu Apple Wallet hinzufügen",
    "details": "Details",
    "open_on_phone": "Auf dem Telefon öffnen",
    "scan_this": "Scannen Sie diesen Code mit der Kamera Ihres Telefons.",
    "page_code": "QR-Code dieser Seite",
    "pass_code": "QR-Code der Karte",
    "voided": "Diese Karte ist nicht mehr gültig.",
    "voided_why": "Ihr Herausgeber hat sie für ungültig erklärt.",
    "expired": "Diese Karte ist abgelaufen.",
    "development": "Nur zur Entwicklung.",
    "development_why": "Diese Karte ist mit einem Entwicklungszertifikat signiert: "
    "Ein Telefon nimmt sie nicht an.",
    "not_found": "Diese Karte gibt es nicht",
    "not_found_why": "Prüfen Sie die Adresse: Vielleicht fehlt ein Teil davon.",
    "no_page": "Diese Seite gibt es nicht",
    "no_page_why": "Prüfen Sie die Adresse: Vielleicht fehlt ein Teil davon.",
    "not_available": "Diese Seite ist noch nicht verfügbar",
    "not_available_why": "Der Link stimmt, aber was er öffnen soll, wird hier noch nicht "
    "angeboten. Es wurde nichts geändert; Ihre Karte funktioniert wie bisher.",
    "gone": "Diese Karte gibt es nicht mehr",
    "gone_why": "Ihr Herausgeber hat sie gelöscht. Wenn Sie das überrascht, fragen Sie dort nach.",
    "too_large": "Diese Karten sind zu groß für eine Datei",
    "too_large_why": "Laden Sie sie einzeln herunter.",
    "enter_passcode": "Code eingeben",
    "enter_passcode_why": "Diese Karte ist mit einem Code geschützt. Sie bekommen ihn dort, wo Sie "
    "den Link bekommen haben.",
    "passcode": "Code",
    "go_on": "Weiter",
    "passcode_wrong": "Das ist nicht der richtige Code. Prüfen Sie ihn und versuchen Sie es noch "
    "einmal.",
    "too_many_attempts": "Zu viele falsche Eingaben. Versuchen Sie es in einer Viertelstunde noch "
    "einmal.",
    "link_ended": "Dieser Link funktioniert nicht mehr",
    "link_ended_why": "Bitten Sie um einen neuen, wo Sie ihn bekommen haben.",
    "offer": "Ihre Karte ist bereit",
    "offer_why": "Drücken Sie den Knopf, um sie zu bekommen.",
    "get_pass": "Karte holen",
    "bad_link": "Dieser Link funktioniert nicht",
    "away": "Einen Moment bitte",
    "away_why": "Die Karte kann gerade nicht angezeigt werden. "
    "Versuchen Sie es in ein paar Sekunden noch einmal.",
}
WORDINGS: Final[Mapping[str, Mapping[str, str]]] = {"en": ENGLISH, "de": GERMAN}
