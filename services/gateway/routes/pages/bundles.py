"""Several passes in one file, which Safari adds to the wallet in one go."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.passcodes import PasscodeNeededError
from services.gateway.context import Context
from services.gateway.routes.files import note_download, send_file
from services.gateway.routes.pages.passes import ERROR_PAGES, FILE_HEADERS, GUARDED, TAG
from services.gateway.routes.pages.visitors import HTML_MEDIA
from services.gateway.usecases import passes
from services.gateway.usecases.passes import FILE_SUFFIX, PassFile
from shared.errors import GoneError, NotFoundError, TooLargeError
from shared.http.endpoint import AnyEndpoint, Call, Endpoint
from shared.identifiers import trim_handle
from shared.passes.apple.archive import ArchiveEntry, PassArchive

BUNDLE_SUFFIX: Final = ".pkpasses"
BUNDLE_MEDIA: Final = "application/vnd.apple.pkpasses"
MAX_BUNDLE_BYTES: Final = 150_000_000
"""Apple's limit, as that of 10 passes."""


class BundleTooLargeError(TooLargeError):
    """These passes are too large for one file; download them one by one."""

    code = "bundle_too_large"


class BundleQuery(BaseModel):
    """Which passes."""

    model_config = ConfigDict(extra="forbid")

    handles: list[str] = Field(
        alias="pass",
        min_length=1,
        max_length=10,
        description="The handle of a pass; repeat it.",
        examples=[["$HANDLE"]],
    )


async def download_passes(call: Call[None, BundleQuery], *, context: Context) -> web.StreamResponse:
    """Give out up to ten passes in one file."""
    handles = list(dict.fromkeys(map(trim_handle, call.query.handles)))
    found = await asyncio.gather(*(passes.read(context, None, handle) for handle in handles))
    for issued in found:
        context.passcodes.guard(issued, call.request.cookies)
    contents = await asyncio.gather(*(passes.content(context, issued) for issued in found))
    file = _bundle([passes.pass_file(context, content) for content in contents])
    response = web.Response(headers=FILE_HEADERS)
    name = f"passes{BUNDLE_SUFFIX}"
    await send_file(call.request, response, file, name, media=BUNDLE_MEDIA)
    for issued, content in zip(found, contents, strict=True):
        note_download(call.request, context, issued, content, 200)
    return response


def _bundle(files: Sequence[PassFile]) -> PassFile:
    """Lay out the archive of archives; their checksums are known before they are made."""
    if sum(file.archive.size for file in files) > MAX_BUNDLE_BYTES:
        raise BundleTooLargeError
    archive = PassArchive(
        [
            ArchiveEntry(f"pass-{number}{FILE_SUFFIX}", file.archive.size, file.archive.crc32())
            for number, file in enumerate(files, start=1)
        ]
    )

    async def pieces() -> AsyncIterator[bytes]:
        for index, file in enumerate(files):
            yield archive.header(index)
            async for piece in file.pieces:
                yield piece
        yield archive.trailer()

    return PassFile(archive, pieces())


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoints of this module."""
    return [
        Endpoint(
            "GET",
            f"/p{BUNDLE_SUFFIX}",
            partial(download_passes, context=context),
            summary="Download up to ten passes for Apple Wallet in one file",
            tag=TAG,
            scope=None,
            query=BundleQuery,
            raw=True,
            media=BUNDLE_MEDIA,
            also_media=(HTML_MEDIA,),
            other_errors=ERROR_PAGES,
            errors=(PasscodeNeededError, NotFoundError, GoneError, BundleTooLargeError),
            description=f"A `.pkpasses` file, which Wallet adds in one step. {GUARDED}",
        ),
    ]
