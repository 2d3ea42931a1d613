"""Images of single passes: fetched, made to fit and kept before a pass is told to show them."""

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final
from uuid import UUID

from services.gateway.catalogue.pictures import PictureRefusedError
from services.gateway.context import Context
from shared.contracts.message import JsonObject
from shared.errors import InvalidError, NotFoundError
from shared.passes.language.paths import editable_images
from shared.passes.schema.images import Png
from shared.passes.schema.slots import IMAGE_PATHS, has_images
from shared.passes.template.checking import IMAGE_DIGEST

MAX_ADDRESSES: Final = 20
FETCH_SECONDS: Final = 20
"""How long one address may take, with its wait for a turn."""

Fetched = Mapping[str, Png] | InvalidError
"""Slot → image, or why there is none."""


class TooManyImagesError(InvalidError):
    """One request names at most 20 addresses of images."""

    code = "too_many_images"


async def settle(
    context: Context,
    account_id: UUID,
    rows: Sequence[JsonObject],
    *,
    trusted: bool = True,
    most: int | None = MAX_ADDRESSES,
) -> list[JsonObject | InvalidError]:
    """Name each image in the values of passes by the SHA-256 of one that the account keeps.

    An address is fetched once for all rows, of which at most `most` may be named; an empty text
    takes the pass's own image away. A row with an image that cannot be had is an error that names
    its paths.
    """
    if not any(has_images(row) for row in rows):
        return list(rows)
    named = [(path, text) for row in rows for path, text in _images_of(row).items()]
    digests = {text for _, text in named if IMAGE_DIGEST.fullmatch(text)}
    known = await context.images.find_own(account_id, digests) if digests else {}
    slots: dict[str, set[str]] = {}
    for path, text in named:
        if text and text not in digests:
            slots.setdefault(text, set()).add(IMAGE_PATHS[path])
    if most is not None and len(slots) > most:
        raise TooManyImagesError
    found: list[Fetched] = []
    addresses = list(slots)
    for start in range(0, len(addresses), MAX_ADDRESSES):
        fetched_now = await asyncio.gather(
            *(
                _fetch(context, account_id, address, slots[address], trusted=trusted)
                for address in addresses[start : start + MAX_ADDRESSES]
            )
        )
        await _keep(context, account_id, fetched_now)
        found += fetched_now
    fetched = dict(zip(slots, found, strict=True))
    return [_settled(row, known, fetched) for row in rows]


async def only_editable(
    context: Context, account_id: UUID, template_id: UUID, values: JsonObject
) -> JsonObject:
    """Leave out the images that a user may not change, so that nothing is fetched for them."""
    if not has_images(values):
        return values
    template = await context.templates.get(account_id, template_id)
    fixed = IMAGE_PATHS.keys() - editable_images(template.document.get("properties", {}))
    return {path: value for path, value in values.items() if path not in fixed}


def _images_of(row: JsonObject) -> dict[str, str]:
    """Give the texts under paths of images; anything else is for the owner of values to refuse."""
    return {path: row[path] for path in IMAGE_PATHS if isinstance(row.get(path), str)}


async def _fetch(
    context: Context, account_id: UUID, address: str, slots: set[str], *, trusted: bool
) -> Fetched:
    try:
        async with asyncio.timeout(FETCH_SECONDS):
            here = re.escape(context.base_url)
            own = re.fullmatch(rf"{here}/images/([0-9a-f]{{64}})\.png", address)
            if own is not None:
                content = await context.images.read(own[1])
                return await context.pictures.fit(account_id, content, slots)
            return await context.pictures.fetch(account_id, address, slots, trusted=trusted)
    except TimeoutError:
        return PictureRefusedError("The image cannot be fetched: its server took too long.")
    except NotFoundError as error:
        return PictureRefusedError(error.detail)
    except InvalidError as error:
        return error


async def _keep(context: Context, account_id: UUID, found: Iterable[Fetched]) -> None:
    images = [fetched for fetched in found if not isinstance(fetched, InvalidError)]
    pngs = {png.sha256: png for slots in images for png in slots.values()}
    if not pngs:
        return
    async with context.database.work() as work:
        for _, png in sorted(pngs.items()):  # in one order for all
            await context.images.add(work, account_id, png)


def _settled(
    row: JsonObject, known: Collection[str], fetched: Mapping[str, Fetched]
) -> JsonObject | InvalidError:
    settled: JsonObject = {}
    faults: list[dict[str, str]] = []
    for path, text in _images_of(row).items():
        found = fetched.get(text)
        if isinstance(found, InvalidError):
            faults.append({"pointer": path, "detail": found.detail})
        elif found is not None:
            settled[path] = found[IMAGE_PATHS[path]].sha256
        elif text and text not in known:
            faults.append({"pointer": path, "detail": "Upload this image first."})
        else:
            settled[path] = text or None
    if faults:
        return PictureRefusedError("An image cannot be had.", errors=faults)
    return {**row, **settled}
