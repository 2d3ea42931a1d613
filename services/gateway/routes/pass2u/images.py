"""Images that passes are to show instead of their model's, named by a hexadecimal hash."""

import asyncio
from typing import Final

from aiohttp import BodyPartReader, MultipartReader
from aiohttp.http_exceptions import HttpProcessingError

from services.gateway.context import Context
from services.gateway.routes.pass2u.calls import ALWAYS, serve
from services.gateway.routes.pass2u.dialect import ROOT, endpoint
from services.gateway.routes.pass2u.words import UploadedImage
from shared.errors import InvalidError, TooLargeError
from shared.http.endpoint import JSON_MEDIA, AnyEndpoint, Call
from shared.http.parsing import BODY_SECONDS
from shared.http.problems import BadRequestError, UnsupportedMediaError
from shared.passes.schema.images import MAX_FILE_BYTES, SIGNATURE, BrokenImageError

PNG_MEDIA: Final = "image/png"
MULTIPART_MEDIA: Final = "multipart/form-data"
MAX_SIDE: Final = 1024
"""Pixels."""

MAX_PARTS: Final = 20
MAX_FORM_BYTES: Final = MAX_FILE_BYTES + 64 * 1024
"""An image of the greatest size, and what a form puts around it."""


class LargeDimensionsError(InvalidError):
    """An image has at most 1024 x 1024 pixels."""

    code = "image_dimensions_too_large"


async def upload_image(call: Call[None, None], *, context: Context) -> UploadedImage:
    """Keep a PNG; the same image has the same name each time."""
    content = await _read(call)
    if not content.startswith(SIGNATURE):
        raise UnsupportedMediaError("Only PNG images are supported.")
    png = await context.images.check(call.caller.account_id, content)
    if max(png.width, png.height) > MAX_SIDE:
        raise LargeDimensionsError
    async with context.database.work() as work:
        await context.images.add(work, call.caller.account_id, png)
        await context.images.name(work, call.caller.account_id, png.sha1, png.sha256)
    return UploadedImage(hex=png.sha1)


async def _read(call: Call[None, None]) -> bytes:
    """Read the image, which is the body itself or the file of a form."""
    request = call.request
    if request.content_type != MULTIPART_MEDIA:
        content = await call.read()
        if len(content) > MAX_FILE_BYTES:
            raise TooLargeError(f"An image has at most {MAX_FILE_BYTES // 1024 // 1024} MiB.")
        return content
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read_form(await request.multipart())
    except TimeoutError:
        raise BadRequestError("The form did not arrive in time.") from None
    except (ValueError, AssertionError, HttpProcessingError) as error:
        raise BadRequestError("The form cannot be read.") from error


async def _read_form(form: MultipartReader) -> bytes:
    files: list[bytes] = []
    for _ in range(MAX_PARTS):
        part = await form.next()
        if part is None:
            break
        if isinstance(part, BodyPartReader):
            content = await _read_part(part)
            if part.filename or content.startswith(SIGNATURE):
                files.append(content)
    if not files:
        raise BadRequestError("The form has no file.")
    if len(files) > 1:
        raise BadRequestError("A form has one file: images are uploaded one by one.")
    return files[0]


async def _read_part(part: BodyPartReader) -> bytes:
    content = bytearray()
    while piece := await part.read_chunk(64 * 1024):
        content += piece
        if len(content) > MAX_FILE_BYTES:
            raise TooLargeError(f"An image has at most {MAX_FILE_BYTES // 1024 // 1024} MiB.")
    return bytes(content)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoint of images."""
    return [
        endpoint(
            "POST",
            f"{ROOT}images",
            serve(context, upload_image, JSON_MEDIA),
            summary="Upload an image for passes of models",
            scope="images:write",
            raw=True,
            accepts=(PNG_MEDIA, MULTIPART_MEDIA),
            body_limit=MAX_FORM_BYTES,
            returns=UploadedImage,
            errors=(*ALWAYS, BrokenImageError, LargeDimensionsError, TooLargeError),
            description="PNG, at most 4 MiB and 1024 x 1024 pixels: the body itself, or a file in "
            "a form. It is taken as the image for screens of double density (@2x).",
        ),
    ]
