"""Lays a style over a template: what comes of it is a template, which both wallets compose."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from shared.passes.language.paths import pass_style
from shared.passes.schema.barcodes import ONE_PER_PASS, BarcodePolicy
from shared.passes.schema.localization import split_language
from shared.passes.schema.registry import FIELD_GROUPS
from shared.passes.schema.skeleton import is_attribute_object
from shared.passes.schema.values import Json, is_list, is_object
from shared.passes.styles.style import Style
from shared.passes.template.document import TemplateDocument

_WITHOUT_ONE: Final = frozenset[BarcodePolicy]({*ONE_PER_PASS, "handle"})
"""Policies by which passes have a barcode also where the template writes none."""


def lay_over(style: Style, document: TemplateDocument) -> TemplateDocument:
    """Return the template as it looks with a style; neither of them changes.

    A field of the style is the only one with its key: Wallet refuses a pass that has two.
    """
    pass_ = dict(document.pass_)
    for key, colour in style.colours():
        pass_[key] = _put(pass_.get(key), colour)
    if style.expiration_date is not None:
        pass_["expirationDate"] = _put(pass_.get("expirationDate"), style.expiration_date)
    if style.barcode is not None:
        pass_ |= _barcodes(pass_, style.barcode.format, document.barcode_policy)
    structure = pass_style(pass_)
    fields: Json = pass_.get(structure)
    if (groups := style.groups()) and is_object(fields):
        pass_[structure] = {**dict(_without(fields, groups)), **groups}
    update: dict[str, Any] = {"pass_": pass_}
    if style.assets.apple:
        update["images"] = replace_images(document.images, style.assets.apple)
    if style.assets.google:
        given: Json = document.google.get("images")
        images = {**(given if is_object(given) else {}), **style.assets.google}
        update["google"] = {**document.google, "images": images}
    return document.model_copy(update=update)


def replace_images(template: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Put images into the places of others, of all their sizes and languages; names are slots."""
    replaced = {_image_of(slot) for slot in own}
    kept = {slot: image for slot, image in template.items() if _image_of(slot) not in replaced}
    return {**kept, **own}


def _image_of(slot: str) -> str:
    return split_language(slot)[1].partition("@")[0]


def _put(present: Json, value: str) -> Json:
    """Give a key its new value; who may change it and when it shows stays as it is."""
    return {**present, "value": value} if is_attribute_object(present) else value


def _without(
    fields: Mapping[str, Any], groups: Mapping[str, list[dict[str, Any]]]
) -> Iterator[tuple[str, Any]]:
    """Give what is left of a template's fields beside those of a style."""
    keys = {field.get("key") for group in groups.values() for field in group}
    for name, entries in fields.items():
        if name in FIELD_GROUPS and is_list(entries):
            yield name, [e for e in entries if not (is_object(e) and e.get("key") in keys)]
        else:
            yield name, entries


def _barcodes(pass_: Mapping[str, Any], format_: str, policy: BarcodePolicy) -> dict[str, Any]:
    """Return the barcodes in another format, of several the first."""
    drawn: dict[str, Any] = {}
    single, several = pass_.get("barcode"), pass_.get("barcodes")
    if is_object(single):
        drawn["barcode"] = {**single, "format": format_}
    if is_list(several) and several and is_object(several[0]):
        drawn["barcodes"] = [{**several[0], "format": format_}]
    return drawn or ({"barcode": {"format": format_}} if policy in _WITHOUT_ONE else {})
