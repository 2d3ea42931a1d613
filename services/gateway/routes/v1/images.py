"""Images over HTTP: uploaded by accounts, fetched by anybody who knows their hash."""

from functools import partial

from aiohttp import ETag, hdrs
from pydantic import BaseModel, Field

from services.gateway.catalogue.images import ImageNotFoundError, image_url
from services.gateway.context import Context
from services.gateway.routes.once import REPEAT_ERRORS, answer_once
from shared.database import UnitOfWork
from shared.http.conditional import has_tag
from shared.http.endpoint import AnyEndpoint, Call, Endpoint, Reply
from shared.passes.schema.images import MAX_FILE_BYTES, BrokenImageError, ImageTooLargeError

TAG = "Images"
PNG_MEDIA = "image/png"
PNG_MEDIAS = (PNG_MEDIA, "image/x-png", "application/octet-stream")
"""What clients call a PNG; the content decides."""


class ImageView(BaseModel):
    """An image, ready to be named in templates by its hash."""

    model_config = {"title": "Image"}

    sha256: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Of the image as it is kept: its pixels only, written anew.",
    )
    width: int
    height: int
    size: int = Field(description="In bytes, as it is kept.")
    url: str


async def upload_image(call: Call[None, None], *, context: Context) -> Reply:
    content = await call.read()
    png = await context.images.check(call.caller.account_id, content)

    async def add(work: UnitOfWork) -> Reply:
        is_new = await context.images.add(work, call.caller.account_id, png)
        path = image_url("", png.sha256)
        view = ImageView(
            sha256=png.sha256,
            width=png.width,
            height=png.height,
            size=png.size,
            url=f"{context.base_url}{path}",
        )
        return Reply(view, 201 if is_new else 200, {hdrs.LOCATION: path})

    return await answer_once(context, call, add, content=content)


async def fetch_image(call: Call[None, None], *, context: Context) -> Reply:
    sha256 = call.path["sha256"]
    headers: dict[str, str] = {
        hdrs.ETAG: f'"{sha256}"',
        hdrs.CACHE_CONTROL: "public, max-age=31536000, immutable",
    }
    if has_tag(call.request, ETag(sha256)):
        return Reply(status=304, headers=headers)
    return Reply(await context.images.read(sha256), headers=headers)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the addresses of images."""
    return [
        Endpoint(
            "POST",
            "/v1/images",
            partial(upload_image, context=context),
            summary="Upload an image",
            tag=TAG,
            scope="images:write",
            returns=ImageView,
            status=201,
            also=(200,),
            errors=(BrokenImageError, ImageTooLargeError, *REPEAT_ERRORS),
            body_limit=MAX_FILE_BYTES,
            raw=True,
            accepts=PNG_MEDIAS,
            description="PNG only; a colour profile is applied. The same image again has the same "
            "answer, with status 200.",
        ),
        Endpoint(
            "GET",
            "/images/{sha256:[0-9a-f]{64}}.png",
            partial(fetch_image, context=context),
            summary="Fetch an image",
            tag=TAG,
            scope=None,
            errors=(ImageNotFoundError,),
            raw=True,
            media=PNG_MEDIA,
            also=(304,),
            description="Whoever knows the SHA-256 may fetch it; the answer never changes.",
        ),
    ]
