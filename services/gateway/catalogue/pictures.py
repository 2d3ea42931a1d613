"""Pictures that others name by URL or send as they are: fetched safely, checked, made to fit."""

import asyncio
from collections.abc import Collection
from typing import Final
from uuid import UUID

from services.gateway.catalogue.images import Images
from services.gateway.catalogue.turns import Turns
from shared.errors import InvalidError
from shared.http.outgoing import AddressRefusedError, OutgoingClient, OutgoingFailedError
from shared.passes.schema.images import MAX_FILE_BYTES, Png, scale_png

AT_ONCE: Final = 16
AT_ONCE_OF_ACCOUNT: Final = 4
"""Images fetched and made to fit at a time, each of at most 4 MiB."""

STRANGERS_AT_ONCE: Final = 4
STRANGERS_AT_ONCE_OF_ACCOUNT: Final = 1
"""The same for those without a right to anything, by the account whose template they use."""

MAX_REDIRECTS: Final = 3

_REASONS: Final = {
    "timeout": "its server took too long",
    "name": "its host is not known",
    "connect": "its server cannot be reached",
    "tls": "its server has no valid certificate",
    "status": "its server did not answer 200",
    "size": "it is larger than 4 MiB",
    "redirects": f"its server redirects more than {MAX_REDIRECTS} times",
}


class PictureRefusedError(InvalidError):
    """The image cannot be fetched."""

    code = "image_not_fetched"


class Pictures:
    """Makes images of slots out of URLs and uploads."""

    def __init__(self, client: OutgoingClient, images: Images) -> None:
        self._client = client
        self._images = images
        self._turns = Turns(total=AT_ONCE, each=AT_ONCE_OF_ACCOUNT)
        self._strangers = Turns(total=STRANGERS_AT_ONCE, each=STRANGERS_AT_ONCE_OF_ACCOUNT)

    async def open(self) -> None:
        """Make the connection pool."""
        await self._client.open()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def fetch(
        self, account_id: UUID, url: str, slots: Collection[str], *, trusted: bool = True
    ) -> dict[str, Png]:
        """Fetch an image for slots of an account's passes; PictureRefusedError says why not."""
        turns = self._turns if trusted else self._strangers
        async with turns.turn(account_id):
            try:
                content = await self._client.fetch(
                    url, most=MAX_FILE_BYTES, redirects=MAX_REDIRECTS
                )
            except AddressRefusedError as error:
                raise _refused(slots, str(error)) from None
            except OutgoingFailedError as error:
                reason = _REASONS.get(error.kind, "its server did not answer")
                raise _refused(slots, reason) from None
            return await self.fit(account_id, content, slots)

    async def fit(self, account_id: UUID, content: bytes, slots: Collection[str]) -> dict[str, Png]:
        """Check an image of an account and make it fit each of the slots."""
        png = await self._images.convert(account_id, content)
        return {slot: await asyncio.to_thread(scale_png, png, slot) for slot in slots}


def _refused(slots: Collection[str], reason: str) -> PictureRefusedError:
    names = ", ".join(sorted(slots))
    return PictureRefusedError(f"The image {names} cannot be fetched: {reason}.")
