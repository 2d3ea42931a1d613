"""Images under names of the account's own, which styles show."""

from functools import partial
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.catalogue.images import image_url
from services.gateway.context import Context
from services.gateway.routes.walletpass.dialect import ROOT, endpoint
from services.gateway.routes.walletpass.words import Success
from services.gateway.usecases import assets
from services.gateway.usecases.assets import ASSET_NAME
from shared.errors import InvalidError
from shared.http.endpoint import AnyEndpoint, Call, Reply
from shared.passes.schema.images import MAX_FILE_BYTES, BrokenImageError, ImageTooLargeError

MEDIAS: Final = ("image/png", "image/jpeg")
_NAME: Final[dict[str, Any]] = {
    "name": "asset_name",
    "in": "path",
    "required": True,
    "description": "By which styles name the image; what had the name before is replaced.",
    "schema": {"type": "string", "pattern": f"^{ASSET_NAME.pattern}$"},
    "example": "logo.png",
}


class AssetNameError(InvalidError):
    """A name has 1 to 100 of A-Z a-z 0-9 . _ and -, and begins with a letter or digit."""

    code = "asset_name_invalid"


class AssetData(BaseModel):
    """An image that styles may name."""

    model_config = ConfigDict(title="WalletPassAsset")

    name: str
    sha256: str = Field(description="Styles may name the image by it, too.")
    width: int
    height: int
    url: str


async def upload_asset(call: Call[None, None], *, context: Context) -> Reply:
    """Keep an image under a name."""
    name = call.path["asset_name"]
    if not ASSET_NAME.fullmatch(name):
        raise AssetNameError(errors=[{"pointer": "/name", "detail": "This is no name"}])
    png = await context.images.convert(call.caller.account_id, await call.read())
    is_new = await assets.keep(context, call.caller.account_id, name, png)
    advice = assets.advice(assets.slots_of(name), png.width, png.height)
    answer = Success[AssetData](
        data=AssetData(
            name=name,
            sha256=png.sha256,
            width=png.width,
            height=png.height,
            url=image_url(context.base_url, png.sha256),
        ),
        warnings=[f"{name}: {advice}"] if advice else None,
    )
    return Reply(answer, HTTPStatus.CREATED if is_new else HTTPStatus.OK)


def endpoints(context: Context) -> list[AnyEndpoint]:
    """List the endpoint of assets."""
    return [
        endpoint(
            "PUT",
            f"{ROOT}v1/assets/{{asset_name}}",
            partial(upload_asset, context=context),
            summary="Upload an image for styles",
            scope="images:write",
            raw=True,
            described=MEDIAS,
            body_limit=MAX_FILE_BYTES,
            parameters=(_NAME,),
            returns=Success[AssetData],
            status=HTTPStatus.CREATED,
            also=(HTTPStatus.OK,),
            errors=(BrokenImageError, ImageTooLargeError, AssetNameError),
            description="PNG or JPEG, which is kept as PNG; at most 4 MiB. A size that no wallet "
            "advises is a warning.",
        ),
    ]
