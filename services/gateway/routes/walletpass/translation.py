"""Styles and groups in this API's words, and in ours."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from services.gateway.domain.styles import Saved
from services.gateway.routes.walletpass.style_words import (
    AppleAssets,
    Assets,
    GoogleAssets,
    GroupOrder,
    GroupView,
    RuleView,
    StyleField,
    StyleOrder,
    StyleView,
)
from services.gateway.usecases.assets import Asset, WalletSlot, advice
from shared.passes.schema.findings import Finding
from shared.passes.schema.images import ICON_SIZES
from shared.passes.styles.groups import StyleGroup
from shared.passes.styles.style import GROUPS, Style

WORDS: Final = {
    "tier": "member_tier",
    "points": "member_points",
    "member_name": "member_name",
    "member_id": "member_id",
}
"""Placeholders of this API → ours."""

_OURS: Final = {ours: theirs for theirs, ours in WORDS.items()}
_BRACES: Final = re.compile(r"\{([^{}]+)\}")
_JOINER: Final = "\N{WORD JOINER}"
"""Behind a brace that is to stay text: nobody sees it."""

_LARGEST_ICON: Final = "icon@3x"


def named_assets(order: StyleOrder) -> Iterator[tuple[WalletSlot, str, str]]:
    """Give the images that a style names: for which slot, at which place, and how."""
    wallets: tuple[tuple[Literal["apple", "google"], AppleAssets | GoogleAssets], ...] = (
        ("apple", order.assets.apple),
        ("google", order.assets.google),
    )
    for wallet, assets in wallets:
        for slot in type(assets).model_fields:
            text = getattr(assets, slot)
            if text is not None:
                yield (wallet, slot), f"/assets/{wallet}/{slot}", text


def style_of(order: StyleOrder, found: Mapping[str, Asset]) -> Style:
    """Turn what a caller says into a style; `found` are its images by place."""
    images: dict[str, dict[str, str]] = {"apple": {}, "google": {}}
    for (wallet, slot), place, _ in named_assets(order):
        asset = found[place]
        name = _apple_slot(slot, asset) if wallet == "apple" else slot
        images[wallet][name] = asset.sha256
    return Style.model_validate(
        {
            "name": order.name,
            "brand_colors": order.brand_colors.known(),
            "barcode": order.barcode.known() if order.barcode else None,
            "expiration_date": order.expiration_date,
            "assets": images,
            **{group: _fields(getattr(order, group)) for group in GROUPS},
        }
    )


def odd_sizes(order: StyleOrder, found: Mapping[str, Asset]) -> list[str]:
    """Say of images what sizes are advised, where theirs are others."""
    said = {
        place.strip("/").replace("/", "."): advice([slot], found[place].width, found[place].height)
        for slot, place, _ in named_assets(order)
    }
    return [f"{place}: {detail}" for place, detail in said.items() if detail]


def group_of(order: GroupOrder) -> StyleGroup:
    """Turn what a caller says into a group."""
    rules = [
        {
            "style_id": rule.pass_style_id,
            "min_points": rule.min_points,
            "max_points": rule.max_points,
        }
        for rule in order.rules
    ]
    return StyleGroup.model_validate({"name": order.name, "rules": rules})


def style_view(saved: Saved[Style]) -> StyleView:
    """Show a style."""
    style = saved.document
    apple = {slot.partition("@")[0]: sha256 for slot, sha256 in style.assets.apple.items()}
    return StyleView.model_validate(
        {
            "id": saved.id,
            "pass_style_id": saved.id,
            "name": style.name,
            "brand_colors": style.brand_colors.model_dump(),
            "barcode": style.barcode.model_dump() if style.barcode else None,
            "assets": Assets(
                apple=AppleAssets.model_validate(apple),
                google=GoogleAssets.model_validate(style.assets.google),
            ),
            "expiration_date": style.expiration_date,
            **{group: _shown(getattr(style, group)) for group in GROUPS},
            "created_at": saved.created_at,
            "updated_at": saved.updated_at,
        }
    )


def group_view(saved: Saved[StyleGroup]) -> GroupView:
    """Show a group."""
    rules = [
        RuleView(
            pass_style_id=rule.style_id, min_points=rule.min_points, max_points=rule.max_points
        )
        for rule in saved.document.rules
    ]
    return GroupView(
        id=saved.id,
        style_group_id=saved.id,
        name=saved.document.name,
        rules=rules,
        created_at=saved.created_at,
        updated_at=saved.updated_at,
    )


def said(findings: list[Finding]) -> list[str]:
    """Write findings as warnings."""
    return [f"{one.path.removeprefix('$.')}: {one.detail}" for one in findings]


def translate(text: str) -> str:
    """Turn placeholders into ours; all other braces stay text."""
    return _BRACES.sub(lambda found: _our_braces(found[1]), text)


def translate_back(text: str) -> str:
    """Turn our words into placeholders again."""
    return _BRACES.sub(lambda found: _their_braces(found[1]), text)


def _our_braces(inner: str) -> str:
    return f"{{{WORDS[inner]}}}" if inner in WORDS else f"{{{_JOINER}{inner}}}"


def _their_braces(inner: str) -> str:
    return f"{{{_OURS.get(inner, inner.removeprefix(_JOINER))}}}"


def _fields(fields: list[StyleField] | None) -> list[dict[str, Any]] | None:
    if fields is None:
        return None
    return [_field(one) for one in fields]


def _field(field: StyleField) -> dict[str, Any]:
    value = field.value
    return {
        "key": field.key,
        "label": translate(field.label),
        "value": translate(value) if isinstance(value, str) else value,
    }


def _shown(fields: list[dict[str, Any]] | None) -> list[StyleField] | None:
    if fields is None:
        return None
    return [
        StyleField.model_validate(
            {
                name: translate_back(value) if isinstance(value, str) else value
                for name, value in field.items()
            }
        )
        for field in fields
    ]


def _apple_slot(slot: str, asset: Asset) -> str:
    """Choose the scale of an image: logos and strips are given twice as large as they are shown."""
    if slot != "icon":
        return f"{slot}@2x"
    fitting = (name for name, side in ICON_SIZES.items() if asset.width <= side)
    return next(fitting, _LARGEST_ICON)
