"""Images that an account names by itself, by their SHA-256 or by an address, as styles do."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from services.gateway.context import Context
from services.gateway.domain import Image
from shared.errors import InvalidError
from shared.passes.schema.images import Png
from shared.passes.template.checking import IMAGE_DIGEST

ASSET_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KIND: Final = "asset:"
"""Before names, so that they are never taken for those of another API."""


class AssetUnknownError(InvalidError):
    """An image cannot be had."""

    code = "asset_unknown"


@dataclass(frozen=True, slots=True)
class Asset:
    """An image of an account."""

    sha256: str
    width: int
    height: int


async def keep(context: Context, account_id: UUID, name: str, png: Png) -> bool:
    """Keep an image under a name; what had it before is forgotten. Whether the name is new."""
    async with context.database.work() as work:
        await context.images.add(work, account_id, png)
        return await context.images.rename(work, account_id, f"{_KIND}{name}", png.sha256)


async def find(context: Context, account_id: UUID, wanted: Mapping[str, str]) -> dict[str, Asset]:
    """Find images by what a caller says of them: place → name, SHA-256 or https address.

    An address is fetched once, now. AssetUnknownError names the place of each that cannot be had.
    """
    names = {text for text in wanted.values() if ASSET_NAME.fullmatch(text)}
    named = await context.images.find_named(account_id, [f"{_KIND}{name}" for name in names])
    digests = {text: named.get(f"{_KIND}{text}", text) for text in wanted.values()}
    own = await context.images.find_own(
        account_id, [one for one in digests.values() if IMAGE_DIGEST.fullmatch(one)]
    )
    fetched: dict[str, Image | Png | str] = {}
    for text in dict.fromkeys(wanted.values()):
        if text.startswith("https://"):
            fetched[text] = await _fetch(context, account_id, text)
    found: dict[str, Asset] = {}
    faults: list[dict[str, str]] = []
    for place, text in wanted.items():
        image = fetched.get(text) or own.get(digests[text])
        if image is None or isinstance(image, str):
            detail = image or "No image was uploaded under this name"
            faults.append({"pointer": place, "detail": detail})
        else:
            found[place] = Asset(image.sha256, image.width, image.height)
    if faults:
        raise AssetUnknownError(errors=faults)
    return found


async def _fetch(context: Context, account_id: UUID, address: str) -> Png | str:
    """Fetch and keep an image; or say why not."""
    try:
        png = (await context.pictures.fetch(account_id, address, [_WHOLE]))[_WHOLE]
    except InvalidError as error:
        return error.detail
    async with context.database.work() as work:
        await context.images.add(work, account_id, png)
    return png


_WHOLE: Final = "venueMap"
"""A slot for which nothing is made smaller."""

WalletSlot = tuple[Literal["apple", "google"], str]

_EXACT: Final[Mapping[WalletSlot, tuple[tuple[int, int], ...]]] = {
    ("apple", "logo"): ((100, 100), (320, 100)),
    ("apple", "icon"): ((29, 29), (58, 58), (87, 87)),
}
_ABOUT: Final[Mapping[WalletSlot, tuple[int, int]]] = {
    ("apple", "strip"): (624, 245),
    ("google", "logo"): (660, 660),
    ("google", "hero"): (1032, 336),
}
_TOLERANCE: Final = 0.1
_WALLETS: Final = {"apple": "Apple Wallet", "google": "Google Wallet"}


def advice(slots: list[WalletSlot], width: int, height: int) -> str | None:
    """Say which sizes are advised, in pixels, if an image fits none of the slots."""
    if not slots or any(_fits(slot, width, height) for slot in slots):
        return None
    sizes = "; ".join(f"{_sizes(slot)} for {_WALLETS[slot[0]]}" for slot in slots)
    return f"{width} x {height} pixels; advised are {sizes}"


def slots_of(name: str) -> list[WalletSlot]:
    """Tell for which slots an image is meant by its name, as `logo.png` or `icon@2x.png`."""
    stem = re.split(r"[._@-]", name.lower(), maxsplit=1)[0]
    return [slot for slot in (*_EXACT, *_ABOUT) if slot[1] == stem]


def _fits(slot: WalletSlot, width: int, height: int) -> bool:
    if slot in _EXACT:
        return (width, height) in _EXACT[slot]
    wide, high = _ABOUT[slot]
    return abs(width - wide) <= wide * _TOLERANCE and abs(height - high) <= high * _TOLERANCE


def _sizes(slot: WalletSlot) -> str:
    if slot in _EXACT:
        return " or ".join(f"{width} x {height}" for width, height in _EXACT[slot])
    return "about {} x {}".format(*_ABOUT[slot])
