"""Styles and style groups as callers of the WalletPass.ai API write and read them."""

from datetime import datetime
from typing import Annotated, ClassVar, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from services.gateway.routes.walletpass.words import ExpirationDate
from services.gateway.routes.words import Words
from shared.http.parsing import WHOLE
from shared.passes.language.actions import MAX_POINTS
from shared.passes.styles.groups import MAX_RULES
from shared.passes.styles.style import MAX_FIELDS

QR: Final = "PKBarcodeFormatQR"

Colour = Annotated[str, Field(max_length=100, examples=["rgb(192, 192, 192)"])]
AssetText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=2048,
        description="The name of an uploaded asset, a SHA-256, or an https address.",
    ),
]
Points = Annotated[int, Field(ge=0, le=MAX_POINTS), WHOLE]


class Colors(Words):
    """Colours; what is left out is the template's."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassColors")

    foreground_color: Colour | None = None
    background_color: Colour | None = None
    label_color: Colour | None = None


class BarcodeForm(Words):
    """How the barcode is drawn."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassBarcode")

    format: str = Field(QR, max_length=100)


class StyleField(Words):
    """A field; `{tier}`, `{points}`, `{member_name}` and `{member_id}` stand for the member's."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassField")

    key: str = Field(min_length=1, max_length=100)
    label: str = Field("", max_length=150)
    value: Annotated[str, Field(max_length=5000)] | int | float = ""


class AppleAssets(Words):
    """Images for Apple Wallet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassAppleAssets")

    logo: AssetText | None = None
    icon: AssetText | None = None
    strip: AssetText | None = None


class GoogleAssets(Words):
    """Images for Google Wallet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassGoogleAssets")

    logo: AssetText | None = None
    hero: AssetText | None = None


class Assets(Words):
    """Images by wallet."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassAssets")

    apple: AppleAssets = AppleAssets()
    google: GoogleAssets = GoogleAssets()


Fields = Annotated[list[StyleField], Field(max_length=MAX_FIELDS)]


class StyleOrder(Words):
    """A style: a group of fields that is given replaces the template's whole group."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassStyleOrder",
        json_schema_extra={
            "examples": [
                {
                    "name": "Premium Style",
                    "brand_colors": {
                        "foreground_color": "rgb(255,255,255)",
                        "background_color": "rgb(255, 107, 53)",
                        "label_color": "rgb(255,255,255)",
                    },
                    "barcode": {"format": QR},
                    "primary_fields": [{"key": "tier", "label": "Membership", "value": "{tier}"}],
                }
            ]
        },
    )

    name: str = Field(min_length=1, max_length=200)
    brand_colors: Colors = Colors()
    barcode: BarcodeForm | None = None
    header_fields: Fields | None = None
    primary_fields: Fields | None = None
    secondary_fields: Fields | None = None
    auxiliary_fields: Fields | None = None
    back_fields: Fields | None = None
    assets: Assets = Assets()
    expiration_date: ExpirationDate | None = Field(
        None, description="Of passes of the style that have no date of their own."
    )


class GroupRule(Words):
    """From how many points to how many a style is chosen, both included."""

    model_config: ClassVar[ConfigDict] = ConfigDict(title="WalletPassRule")

    pass_style_id: UUID
    min_points: Points
    max_points: Points | None = Field(None, description="Null: there is no end.")


class GroupOrder(Words):
    """Rules of which the first that takes a member's points chooses the style."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        title="WalletPassGroupOrder",
        json_schema_extra={
            "examples": [
                {
                    "name": "Tier Colors",
                    "rules": [
                        {
                            "pass_style_id": "0197c1f0-7a52-7a4e-9d0e-2f1f6c1f4a10",
                            "min_points": 0,
                            "max_points": 100,
                        }
                    ],
                }
            ],
        },
    )

    name: str = Field(min_length=1, max_length=200)
    rules: Annotated[list[GroupRule], Field(min_length=1, max_length=MAX_RULES)]


class StyleView(BaseModel):
    """A style."""

    model_config = ConfigDict(title="WalletPassStyle")

    id: UUID
    pass_style_id: UUID = Field(description="The same.")
    name: str
    brand_colors: Colors
    barcode: BarcodeForm | None
    header_fields: list[StyleField] | None
    primary_fields: list[StyleField] | None
    secondary_fields: list[StyleField] | None
    auxiliary_fields: list[StyleField] | None
    back_fields: list[StyleField] | None
    assets: Assets = Field(description="Images by SHA-256.")
    expiration_date: str | None
    created_at: datetime
    updated_at: datetime


class RuleView(BaseModel):
    """A rule of a group."""

    model_config = ConfigDict(title="WalletPassRuleView")

    pass_style_id: UUID
    min_points: int
    max_points: int | None


class GroupView(BaseModel):
    """A style group."""

    model_config = ConfigDict(title="WalletPassGroup")

    id: UUID
    style_group_id: UUID = Field(description="The same.")
    name: str
    rules: list[RuleView]
    created_at: datetime
    updated_at: datetime


class Removed(BaseModel):
    """What was deleted."""

    model_config = ConfigDict(title="WalletPassRemoved")

    id: UUID
