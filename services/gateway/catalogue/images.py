"""Images: checked when uploaded, kept by content, read from memory when passes are put together."""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from cachetools import LRUCache

from services.gateway.catalogue.turns import Turns
from services.gateway.domain import Image
from services.gateway.repository.images import ImageRepository
from shared.contracts.gateway import AccountImage, ImageReference, ImagesSaved
from shared.database import Database, UnitOfWork
from shared.errors import NotFoundError
from shared.messaging.joining import Joiner
from shared.passes.schema.images import Png, check_png, file_name, plain_icon, to_png
from shared.passes.schema.slots import ICON_SLOTS

MAX_REMEMBERED_BYTES = 64 * 1024 * 1024
READ_AT_ONCE = 8
CHECKED_AT_ONCE = 3
CHECKED_AT_ONCE_OF_ACCOUNT = 2
"""Images decoded at a time: whoever sends very many holds up only itself."""


def image_url(base_url: str, sha256: str) -> str:
    """Give the address at which anybody may fetch an image."""
    return f"{base_url}/images/{sha256}.png"


class ImageNotFoundError(NotFoundError):
    """There is no such image."""

    code = "image_not_found"


class Images:
    """The images of all accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._remembered = LRUCache[str, bytes](MAX_REMEMBERED_BYTES, getsizeof=len)
        self._readers: Joiner[str, bytes | None] = Joiner(self._read, most=READ_AT_ONCE)
        self._checkers = Turns(total=CHECKED_AT_ONCE, each=CHECKED_AT_ONCE_OF_ACCOUNT)
        self._plain: dict[str, ImageReference] | None = None

    async def check(self, account_id: UUID, content: bytes) -> Png:
        """Decode what an account sent; takes up to a second and 16 MiB, so few at a time."""
        async with self._checkers.turn(account_id):
            return await asyncio.to_thread(check_png, content)

    async def convert(self, account_id: UUID, content: bytes) -> Png:
        """Do as `check`, for a JPEG, GIF or WebP too."""
        async with self._checkers.turn(account_id):
            return await asyncio.to_thread(lambda: check_png(to_png(content)))

    async def add(self, work: UnitOfWork, account_id: UUID, png: Png) -> bool:
        """Keep an image for an account; whether it is new there."""
        await ImageRepository(work.connection).add(png)
        return await self._give(work, account_id, [png]) > 0

    async def name(self, work: UnitOfWork, account_id: UUID, name: str, sha256: str) -> None:
        """Let an account know an image of its own by a name, as the Pass2U API does."""
        await ImageRepository(work.connection).name(account_id, name, sha256)

    async def rename(self, work: UnitOfWork, account_id: UUID, name: str, sha256: str) -> bool:
        """Do as `name`, for a name that may come to mean another image; whether it is new."""
        return await ImageRepository(work.connection).rename(account_id, name, sha256)

    async def find_named(self, account_id: UUID, names: Iterable[str]) -> dict[str, str]:
        """Find which images, by SHA-256, an account knows by these names; unknown ones lack."""
        async with self._database.connection() as connection:
            return await ImageRepository(connection).find_named(account_id, list(set(names)))

    async def share(self, work: UnitOfWork, account_id: UUID, hashes: Iterable[str]) -> None:
        """Let an account use images that others have uploaded."""
        known = await ImageRepository(work.connection).find_any(list(hashes))
        await self._give(work, account_id, known.values())

    async def read(self, sha256: str) -> bytes:
        """Read the bytes of one image."""
        found = await self.read_many([sha256])
        if sha256 not in found:
            raise ImageNotFoundError
        return found[sha256]

    async def read_many(self, hashes: Collection[str]) -> dict[str, bytes]:
        """Read the bytes of images by SHA-256, from memory where possible; unknown ones lack."""
        wanted = dict.fromkeys(hashes)
        found = {
            sha256: data for sha256 in wanted if (data := self._remembered.get(sha256)) is not None
        }
        missing = [sha256 for sha256 in wanted if sha256 not in found]
        if not missing:
            return found
        read = await asyncio.gather(*(self._readers.join(sha256) for sha256 in missing))
        fresh = dict(zip(missing, read, strict=True))
        return found | {sha256: data for sha256, data in fresh.items() if data is not None}

    async def find_own(self, account_id: UUID, hashes: Iterable[str]) -> dict[str, Image]:
        """Find those that the account uploaded, without their bytes."""
        async with self._database.connection() as connection:
            return await ImageRepository(connection).find_own(account_id, list(set(hashes)))

    async def references(
        self, documents: Sequence[Mapping[str, str]], *, plain: bool = True
    ) -> list[dict[str, ImageReference]]:
        """Turn each template's images into what a pass holds, with the `plain` icon if it has none.

        Not for use inside a transaction: the plain icon is stored when it is first needed.
        """
        hashes = {sha256 for slots in documents for sha256 in slots.values()}
        async with self._database.connection() as connection:
            known = await ImageRepository(connection).find_any(list(hashes))
        icon = await self._plain_icon() if plain else {}
        return [
            {
                **(icon if ICON_SLOTS.isdisjoint(slots) else {}),
                **{
                    file_name(slot): reference(known[sha256])
                    for slot, sha256 in slots.items()
                    if sha256 in known
                },
            }
            for slots in documents
        ]

    async def plain_logo(self) -> str:
        """Tell the SHA-256 of the largest plain icon, which stands in where a wallet needs one."""
        return (await self._plain_icon())[file_name("icon@3x")].sha256

    async def _give(self, work: UnitOfWork, account_id: UUID, images: Iterable[Image | Png]) -> int:
        """Note whose images these are too, and announce those that are new there; how many."""
        given = ImageRepository(work.connection)
        fresh = [
            AccountImage(account_id=account_id, image=reference(image))
            for image in sorted(images, key=lambda image: image.sha256)
            if await given.own(account_id, image.sha256)
        ]
        if fresh:
            work.publish(ImagesSaved(images=fresh))
        return len(fresh)

    async def _plain_icon(self) -> dict[str, ImageReference]:
        if self._plain is None:
            pngs = {
                name: await asyncio.to_thread(check_png, data)
                for name, data in plain_icon().items()
            }
            async with self._database.connection() as connection:
                for png in pngs.values():
                    await ImageRepository(connection).add(png)
            self._plain = {name: reference(png) for name, png in pngs.items()}
        return self._plain

    async def _read(self, hashes: list[str]) -> Sequence[bytes | Exception | None]:
        async with self._database.connection() as connection:
            found = await ImageRepository(connection).read_data(list(set(hashes)))
        for sha256, data in found.items():
            self._remembered[sha256] = data
        return [found.get(sha256) for sha256 in hashes]


def reference(image: Image | Png) -> ImageReference:
    """Tell of an image what those need who do not have its bytes."""
    return ImageReference(sha256=image.sha256, sha1=image.sha1, crc32=image.crc32, size=image.size)
