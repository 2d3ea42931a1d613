"""The images of a pass at Google: addresses under which Google fetches what we keep."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.passes.google.section import Section

LEAST_LOGO: Final = 660
"""Pixels of a logo's side, as Google advises; it is masked to a circle."""

_SCALES: Final = ("@3x", "@2x", "")


@dataclass(frozen=True, slots=True)
class Pictures:
    """The SHA-256 of each image that Google has a place for; empty: none."""

    logo: str
    wide_logo: str
    hero: str
    thumbnail: str


def pictures_of(
    images: Mapping[str, str],
    section: Section,
    template: Mapping[str, str] | None = None,
    *,
    plain_logo: str = "",
) -> Pictures:
    """Choose among a card's images, each in the largest of its scales.

    The section's own come before the template's, but not before what a pass has of its own, which
    is what `template` lacks. `plain_logo` stands in where there is no logo.
    """

    def choose(given: str, *slots: str) -> str:
        found = [_largest(images, slot) for slot in slots]
        if template is not None and found != [_largest(template, slot) for slot in slots]:
            return next(filter(None, found), "")
        return section.images.get(given) or next(filter(None, found), "")

    return Pictures(
        logo=choose("logo", "icon", "logo") or plain_logo,
        wide_logo=choose("wide_logo", "logo"),
        hero=choose("hero", "strip"),
        thumbnail=_largest(images, "thumbnail"),
    )


def image_url(base_url: str, sha256: str) -> str:
    """Give the address of an image: another image has another one, since Google keeps what it has.

    It is that of the gateway's `GET /images/{sha256}.png`.
    """
    return f"{base_url}/images/{sha256}.png"


def image_of(base_url: str, sha256: str) -> dict[str, Any]:
    """Return Google's Image of one of ours."""
    return {"sourceUri": {"uri": image_url(base_url, sha256)}}


def _largest(images: Mapping[str, str], slot: str) -> str:
    return next((images[name] for scale in _SCALES if (name := slot + scale) in images), "")
