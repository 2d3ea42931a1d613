from typing import Any

import pytest
from pydantic import ValidationError

from shared.passes.schema.registry import FIELD_GROUPS
from shared.passes.styles.laying import lay_over
from shared.passes.styles.style import Style, check_style
from shared.passes.template.document import TemplateDocument
from tests.unit.passes.samples import ANN, a_document, a_pass, compiled, composed

LOGO, STRIP, HERO = ("a" * 64, "b" * 64, "c" * 64)


def a_style(**parts: Any) -> Style:
    return Style.model_validate({"name": "Silver", **parts})


def laid(style: Style, document: TemplateDocument | None = None, **values: Any) -> dict[str, Any]:
    return composed(compiled(lay_over(style, document or a_document())), a_pass(values, ANN))


def test_a_style_that_says_nothing_changes_nothing():
    assert lay_over(a_style(), a_document()) == a_document()


def test_colours_take_the_place_of_the_templates_one_by_one():
    card = laid(a_style(brand_colors={"label_color": "white"}))

    assert card["labelColor"] == "rgb(255, 255, 255)"
    assert card["backgroundColor"] == "rgb(102, 51, 0)"


def test_a_pass_keeps_its_own_colour():
    style = a_style(brand_colors={"background_color": "silver"})
    document = a_document({"backgroundColor": {"value": "#630", "editable": True}})

    assert laid(style, document)["backgroundColor"] == "rgb(192, 192, 192)"
    assert laid(style, document, backgroundColor="navy")["backgroundColor"] == "rgb(0, 0, 128)"


def test_a_group_of_fields_takes_the_place_of_the_whole_group():
    fields = [{"key": "tier", "label": "Membership", "value": "{member_tier}"}]

    card = laid(a_style(secondary_fields=fields))["storeCard"]

    assert card["secondaryFields"] == [{"key": "tier", "label": "Membership", "value": "gold"}]
    assert card["headerFields"][0]["key"] == "points"


def test_an_empty_group_leaves_none_of_the_fields():
    assert laid(a_style(back_fields=[]))["storeCard"]["backFields"] == []


def test_a_key_that_the_template_has_elsewhere_stands_on_the_pass_once():
    card = laid(a_style(primary_fields=[{"key": "points", "value": "{member_points}"}]))

    keys = [f["key"] for group in FIELD_GROUPS for f in card["storeCard"].get(group, ())]
    assert sorted(keys) == ["member", "news_flash", "points"]


@pytest.mark.parametrize("policy", ["template", "handle"])
def test_a_style_draws_the_barcode_in_its_format(policy: str):
    style = a_style(barcode={"format": "PKBarcodeFormatAztec"})
    document = a_document({"barcodes": [{"format": "PKBarcodeFormatQR", "message": "42"}]})

    card = laid(style, document.model_copy(update={"barcode_policy": policy}))

    assert card["barcode"]["format"] == "PKBarcodeFormatAztec"
    assert card["barcode"]["message"] == ("42" if policy == "template" else "handle0")


def test_a_template_without_a_barcode_gets_none():
    document = a_document({"barcodes": None})

    assert "barcodes" not in laid(a_style(barcode={}), document)


def test_an_image_takes_the_place_of_all_sizes_and_languages_of_one():
    document = a_document(images={"logo": STRIP, "logo@2x": STRIP, "de.lproj/logo": STRIP})
    style = a_style(assets={"apple": {"logo": LOGO}, "google": {"hero": HERO}})

    both = lay_over(style, a_document(images={**document.images, "strip": STRIP}))

    assert both.images == {"strip": STRIP, "logo": LOGO}
    assert both.google["images"] == {"hero": HERO}


def test_the_date_of_a_style_is_shown_unless_the_pass_has_its_own():
    style = a_style(expiration_date="2031-01-01T00:00:00Z")

    assert laid(style)["expirationDate"].startswith("2031-01-01")
    own = laid(style, expirationDate="2030-06-01T00:00:00Z")
    assert own["expirationDate"].startswith("2030-06-01")


@pytest.mark.parametrize(
    ("parts", "path"),
    [
        ({"brand_colors": {"label_color": "dull"}}, "$.brand_colors.label_color"),
        ({"barcode": {"format": "PKBarcodeFormatMaxi"}}, "$.barcode.format"),
        ({"assets": {"apple": {"hero": HERO}}}, "$.assets.apple.hero"),
        ({"assets": {"google": {"logo": "logo.png"}}}, "$.assets.google.logo"),
        ({"primary_fields": [{"label": "No key"}]}, "$.primary_fields[0]"),
        ({"expiration_date": "tomorrow"}, "$.expiration_date"),
    ],
)
def test_what_is_wrong_with_a_style_is_named_by_its_place(parts: dict[str, Any], path: str):
    assert any(f.path.startswith(path) for f in check_style(a_style(**parts)).errors)


def test_what_only_a_template_can_have_is_no_fault_of_a_style():
    fields = [{"key": "shop", "label": "Shop", "value": "{shop} {member_name}"}]

    assert not check_style(
        a_style(header_fields=fields, expiration_date="2031-01-01T00:00Z")
    ).entries


def test_a_style_of_more_than_64_kib_is_refused():
    with pytest.raises(ValidationError, match="64 KiB"):
        a_style(back_fields=[{"key": "terms", "value": "x" * 65_536}])
