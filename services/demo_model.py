"""The demo's model: a template as callers of the Pass2U API use one."""

from typing import Any, Final

MODEL_IMAGES: Final = ("icon", "icon@2x", "icon@3x", "thumbnail", "thumbnail@2x")

EXAMPLE_HEX: Final = "d33b9f1426d363340c2946557f173c402cd74014"
"""The image that the examples in Pass2U's user guide name: here the demo's thumbnail."""

MODEL: Final[dict[str, Any]] = {
    "name": "Club membership",
    "pass": {
        "description": "Passwright Club membership",
        "logoText": "Passwright Club",
        "backgroundColor": "rgb(32, 94, 116)",
        "foregroundColor": "rgb(255, 255, 255)",
        "labelColor": "rgb(178, 216, 228)",
        "generic": {
            "primaryFields": [
                {"key": "name", "label": "MEMBER", "value": {"value": "Guest", "dynamic": True}}
            ],
            "secondaryFields": [
                {
                    "key": "birth",
                    "label": "DATE OF BIRTH",
                    "value": {"value": "unknown", "dynamic": True},
                },
                {
                    "key": "level",
                    "label": "LEVEL",
                    "value": {"value": "BRONZE", "dynamic": True},
                    "changeMessage": "Your level is now %@",
                },
            ],
            "backFields": [
                {
                    "key": "about",
                    "label": "About this card",
                    "value": "Show it at the door. It is yours alone.",
                }
            ],
        },
        "barcode": {"format": "PKBarcodeFormatQR", "altText": "{barcode_message}"},
    },
    "barcode_policy": "unique",
    "void_when_expired": True,
}

MEMBER: Final[dict[str, Any]] = {
    "barcode": {"message": "0000000001"},
    "fields": [{"key": "name", "value": "Ada Lovelace"}, {"key": "level", "value": "SILVER"}],
}
"""The pass of it that commands in the documentation change."""
