"""Sends files of passes and members, for every dialect that serves them."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final, Literal

from aiohttp import hdrs, web

from services.gateway.catalogue.served import ServedContent
from services.gateway.context import Context
from services.gateway.usecases import passes
from services.gateway.usecases.passes import PassFile
from shared.contracts.generator import Content
from shared.contracts.triggers import Pass

WALLET_MEDIA: Final = "application/vnd.apple.pkpass"
CSV_MEDIA: Final = "text/csv"
CSV_PROMISES: Final = """\
A text that a spreadsheet would take for a formula, as one that begins with `=`, `+`, `-` or `@`, \
has an apostrophe before it; numbers stay as they are.

A file that cannot be read to its end is broken off: the connection is cut before the last chunk, \
which every HTTP client reports as an error. Ask again then; part of a file is never sent as a \
whole one."""
"""What every CSV file keeps to, in the words of the documentation."""

_CSV_HEADERS: Final = {
    hdrs.CACHE_CONTROL: "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    hdrs.CONTENT_TYPE: f"{CSV_MEDIA}; charset=utf-8; header=present",
}


async def send_file(
    request: web.Request,
    response: web.Response,
    file: PassFile,
    name: str,
    *,
    media: str = WALLET_MEDIA,
) -> None:
    """Send a file under a name in a response that has its other headers already.

    A `web.Response` without a body is sent with its first piece, and not in a packet before it.
    """
    response.headers[hdrs.CONTENT_TYPE] = media
    response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
    response.headers[hdrs.CONTENT_LENGTH] = str(file.archive.size)
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        async for piece in file.pieces:
            await response.write(piece)
    await response.write_eof()


async def send_pass_file(
    request: web.Request, context: Context, issued: Pass
) -> web.StreamResponse:
    """Send the newest file of a pass, which nobody is to keep, and note that somebody has it."""
    content = await passes.content(context, issued)
    response = web.Response(headers={hdrs.CACHE_CONTROL: "no-store"})
    file = passes.pass_file(context, content)
    await send_file(request, response, file, f"pass{passes.FILE_SUFFIX}")
    note_download(request, context, issued, content, 200)
    return response


async def send_csv(
    request: web.Request, pieces: AsyncGenerator[bytes], name: str = "passes.csv"
) -> web.StreamResponse:
    """Send rows as they are read; what fails at the first piece is still told as an error."""
    async with aclosing(pieces):
        first = await anext(pieces)
        response = web.StreamResponse(headers=_CSV_HEADERS)
        response.headers[hdrs.CONTENT_DISPOSITION] = f'attachment; filename="{name}"'
        await response.prepare(request)
        if request.method != hdrs.METH_HEAD:
            await response.write(first)
            async for piece in pieces:
                await response.write(piece)
        await response.write_eof()
    return response


def note_download(
    request: web.Request,
    context: Context,
    issued: Pass | ServedContent,
    content: Content,
    status: Literal[200, 304],
) -> None:
    """Note that the public has a file now; whoever asked for its head only has not."""
    if request.method != hdrs.METH_HEAD:
        passes.note_fetch(context, issued, content, status=status, source="public")
