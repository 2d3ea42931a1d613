"""What classes and objects of one revision of a template are made of."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from typing import Any, Final

from shared.passes.google.fields import Fields
from shared.passes.google.images import Pictures, pictures_of
from shared.passes.google.section import Section
from shared.passes.google.texts import Texts
from shared.passes.language.state import PassState
from shared.passes.schema.values import Json, is_list, is_number, is_object, to_text
from shared.passes.template.card import Card
from shared.passes.template.compiled import CompiledTemplate

MAX_LOCATIONS: Final = 10
"""Google refuses a class or an object with more."""

NOBODY: Final = PassState("", "", {}, None, voided=False, changed_at=datetime.fromtimestamp(0, UTC))
"""A pass that has nothing of its own, as a class has to be the same for all."""

_RGB: Final = re.compile(r"rgb\((\d+), (\d+), (\d+)\)")
_PLAY_PATH: Final = "associatedPlayIdentifiers"
_ANDROID_PATH: Final = "androidAppLaunchURL"
_APP_PATHS: Final = frozenset({_PLAY_PATH, _ANDROID_PATH})


@dataclass(frozen=True)
class Blueprint:
    """A revision of a template, seen from Google."""

    compiled: CompiledTemplate
    section: Section
    texts: Texts
    fields: Fields
    blank: Card
    """The card of NOBODY."""
    style: str
    pictures: Pictures
    images: Mapping[str, str]
    """The template's, by slot."""
    issuer_id: str
    base_url: str
    """The public address, without a slash at its end."""

    @classmethod
    def of(
        cls,
        compiled: CompiledTemplate,
        section: Section,
        localizations: Mapping[str, Mapping[str, str]],
        *,
        issuer_id: str,
        base_url: str,
        plain_logo: str,
    ) -> "Blueprint":
        """Put together what is the same for all passes."""
        texts = Texts(section.language, localizations)
        blank = compiled.card(NOBODY)
        style = compiled.path_index.style
        return cls(
            compiled,
            section,
            texts,
            Fields(compiled, section, texts, blank.content, style),
            blank,
            style,
            pictures_of(blank.images, section, plain_logo=plain_logo),
            blank.images,
            section.issuer_id or issuer_id,
            base_url,
        )

    @cached_property
    def event_name(self) -> tuple[str, ...]:
        """What an event is called that has no name of its own, in each language."""
        content = self.blank.content
        field = self.fields.compose(content).bound.get("eventName", {})
        shown = self.texts.shown(field)
        title = content.get("logoText") or content.get("description")
        return shown if shown[0] else self.texts.shown({"value": title})

    def app_links(self, content: Mapping[str, Any], state: PassState) -> dict[str, Any] | None:
        """Return AppLinkData: the apps and the page that open from the pass."""
        links: dict[str, Any] = {}
        target: dict[str, Any] = {}
        if package := _first_word(self.compiled.read(state, _PLAY_PATH)):
            target["packageName"] = package
        if address := self.compiled.text_of(state, _ANDROID_PATH):
            target["targetUri"] = {"uri": address}
        if target:
            links["androidAppLinkInfo"] = {"appTarget": target}
        page = to_text(content.get("appLaunchURL"))
        if page.startswith(("https://", "http://")):  # other schemes are for iPhones
            links["webAppLinkInfo"] = {"appTarget": {"targetUri": {"uri": page}}}
        return links or None

    @cached_property
    def _apps_vary(self) -> bool:
        default = self.compiled.path_index.known[_ANDROID_PATH].default
        return isinstance(default, str) and "{" in default

    def has_own_apps(self, content: Mapping[str, Any], state: PassState) -> bool:
        """Whether a pass may lead elsewhere than its template."""
        return (
            content.get("appLaunchURL") != self.blank.content.get("appLaunchURL")
            or not _APP_PATHS.isdisjoint(state.values)
            or self._apps_vary
        )


@lru_cache(4096)
def hex_colour(text: str) -> str:
    """Write a colour of a card as Google takes it, `#rrggbb`; nothing if it is none."""
    found = _RGB.fullmatch(text)
    return "#" + bytes(map(int, found.groups())).hex() if found else ""


def merchant_locations(places: Json) -> list[dict[str, Any]]:
    """Return the first places of a pass, as many as Google takes."""
    entries = places if is_list(places) else []
    found = [
        {"latitude": entry["latitude"], "longitude": entry["longitude"]}
        for entry in entries
        if is_object(entry)
        and is_number(entry.get("latitude"))
        and is_number(entry.get("longitude"))
    ]
    return found[:MAX_LOCATIONS]


def _first_word(value: Json) -> str:
    """Return the first of several identifiers, in a list or parted by commas."""
    if is_list(value):
        value = value[0] if value else ""
    return to_text(value).partition(",")[0].strip()
