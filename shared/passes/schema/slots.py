"""The images a pass may have: their slots, and the paths by which a pass names its own."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

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

_PATHS: Final = frozenset(IMAGE_PATHS)


def has_images(values: Mapping[str, Any]) -> bool:
    """Whether any of these values stands under the path of an image; asked for every pass."""
    return not _PATHS.isdisjoint(values)


def own_images(values: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each image that a pass has of its own, by slot."""
    if not has_images(values):
        return {}
    return {slot: values[path] for path, slot in IMAGE_PATHS.items() if values.get(path)}
