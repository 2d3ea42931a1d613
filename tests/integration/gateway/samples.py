"""What an account needs before it can issue: an image and a template."""

import io
from typing import Any

from PIL import Image

from tests.integration.gateway.conftest import AnAccount


def a_png(colour: str = "white", size: tuple[int, int] = (160, 50)) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", size, colour).save(output, "PNG")
    return output.getvalue()


async def upload(account: AnAccount, png: bytes) -> str:
    """Upload an image; its hash."""
    answer = await account.call(
        "POST", "/v1/images", data=png, headers={"Content-Type": "image/png"}
    )
    return answer.json["sha256"]


async def make_template(
    account: AnAccount, changes: dict[str, Any] | None = None, **parts: Any
) -> str:
    """Save a coffee card; its id."""
    skeleton = {
        "description": "Coffee card",
        "logoText": "Blue Bottle",
        "backgroundColor": "#13315c",
        "foregroundColor": "#ffffff",
        "labelColor": "#8da9c4",
        "storeCard": {
            "headerFields": [{"key": "points", "label": "Points", "value": 7}],
            "secondaryFields": [{"key": "name", "label": "Name", "value": "{member_name}"}],
            "backFields": [
                {"key": "terms", "label": "Terms", "value": "See https://beans.example/"}
            ],
        },
        "barcodes": [{"format": "PKBarcodeFormatQR"}],
        **(changes or {}),
    }
    saved = await account.call("POST", "/v1/templates", {"name": "Card", "pass": skeleton, **parts})
    assert saved.status == 201, saved.content
    return saved.json["template_id"]
