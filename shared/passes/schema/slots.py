"""The images a pass may have: their slots, and the paths by which a pass names its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, TypeVar

Image = TypeVar("Image")

# The slots that Wallet knows, each also at two and three times the size.
IMAGE_NAMES: Final = (
    "artwork",
    "background",
    "footer",
    "icon",
    "logo",
    "personalizationLogo",
    "primaryLogo",
    "secondaryLogo",
    "strip",
    "thumbnail",
    "venueMap",
)
IMAGE_SLOTS: Final = frozenset(name + scale for name in IMAGE_NAMES for scale in ("", "@2x", "@3x"))
ICON_SLOTS: Final = frozenset({"icon", "icon@2x", "icon@3x"})
IMAGE_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {f"images_{slot}": slot for slot in sorted(IMAGE_SLOTS)}
)
"""API path → slot."""

OWN_IMAGES_ONLY_PATH: Final = "ownImagesOnly"
"""If true, a pass shows none of its template's images but the icon, which Wallet insists on."""

_PATHS: Final = frozenset(IMAGE_PATHS)


def has_images(values: Mapping[str, Any]) -> bool:
    """Whether any of these values stands under the path of an image; asked for every pass."""
    return not _PATHS.isdisjoint(values)


def own_images(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each image that a pass has of its own, by slot."""
    if not has_images(values):
        return {}
    return {slot: values[path] for path, slot in IMAGE_PATHS.items() if values.get(path)}


def shows_own_images_only(values: Mapping[str, Any]) -> bool:
    """Whether a pass leaves its template's images out."""
    return values.get(OWN_IMAGES_ONLY_PATH) is True


def lay_over(
    template: Mapping[str, Image], own: Mapping[str, Image], *, own_only: bool = False
) -> dict[str, Image]:
    """Lay a pass's own images over its template's; what is its own is so in every language.

    Names are slots or files of slots, those of a language in its folder. With `own_only` nothing is
    left of the template's but an icon, if the pass has none.
    """
    has_icon = any(map(is_icon, own))
    kept = {
        name: image
        for name, image in template.items()
        if name.rpartition("/")[2] not in own and (not own_only or (is_icon(name) and not has_icon))
    }
    return {**kept, **own}


def is_icon(name: str) -> bool:
    """Whether a slot or a file is an icon, of any size and in any language."""
    return name.rpartition("/")[2].removesuffix(".png") in ICON_SLOTS
