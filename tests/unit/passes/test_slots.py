"""Images of single passes, as the pure code knows them."""

from typing import Any

import pytest

from shared.errors import InvalidError
from shared.passes.language.paths import editable_images
from shared.passes.schema.slots import IMAGE_PATHS, lay_over, own_images
from shared.passes.template.constructor import read_constructor, write_constructor
from shared.passes.template.document import check_template
from tests.unit.passes.samples import a_document, a_pass, a_template

DIGEST, OTHER = "a" * 64, "b" * 64


def test_own_images_are_those_under_the_paths_of_images():
    values = {"images_logo": DIGEST, "images_strip@2x": OTHER, "logoText": "images_icon"}

    assert own_images(values) == {"logo": DIGEST, "strip@2x": OTHER}
    assert own_images({"logoText": "x"}) == {}
    assert set(IMAGE_PATHS) >= {"images_icon", "images_venueMap@3x"}


TEMPLATE_S = {"icon": "i", "icon@2x": "j", "de.lproj/icon": "k", "logo": "l", "de.lproj/logo": "m"}


def test_an_image_of_a_pass_is_its_image_in_every_language():
    assert lay_over(TEMPLATE_S, {"logo": "x"}) == {
        "icon": "i",
        "icon@2x": "j",
        "de.lproj/icon": "k",
        "logo": "x",
    }


def test_of_a_template_whose_images_are_not_shown_only_the_icon_is_left():
    icons = {"icon": "i", "icon@2x": "j", "de.lproj/icon": "k"}

    assert lay_over(TEMPLATE_S, {}, own_only=True) == icons
    assert lay_over(TEMPLATE_S, {"strip@2x": "x"}, own_only=True) == {**icons, "strip@2x": "x"}
    assert lay_over(TEMPLATE_S, {"icon@2x": "x"}, own_only=True) == {"icon@2x": "x"}
    files = {f"{slot}.png": image for slot, image in TEMPLATE_S.items()}
    assert lay_over(files, {}, own_only=True) == {f"{n}.png": image for n, image in icons.items()}


@pytest.mark.parametrize("value", ["https://x.example/a.png", "A" * 64, "a" * 63, "", 7, ["x"]])
def test_only_a_sha_256_can_be_stored(value: Any):
    with pytest.raises(InvalidError) as caught:
        a_template().check_values({"images_logo": value})

    assert caught.value.errors[0]["pointer"] == "images_logo"


def test_images_of_no_slot_are_no_path():
    with pytest.raises(InvalidError, match="cannot be set") as caught:
        a_template().check_values({"images_selfie": DIGEST})

    assert "no such path" in caught.value.errors[0]["detail"]


def test_a_template_says_which_images_users_may_set():
    constructor = {
        "generic": {},
        "images_logo": {"PSEditable": True, "PSLabel": "Your logo"},
        "images_icon": {"PSEditable": False},
    }
    document = read_constructor(constructor, images={"logo": DIGEST})
    template = a_template(properties=document.properties, images=document.images)

    assert check_template(document).errors == []
    assert editable_images(document.properties) == {"images_logo"}
    assert template.editable_paths[-1] == "images_logo"
    leaf = template.leaves["images_logo"]
    assert (leaf.label, leaf.default) == ("Your logo", DIGEST)
    assert read_constructor(write_constructor(document)).properties == document.properties


@pytest.mark.parametrize("value", [DIGEST, {"value": DIGEST, "editable": True}])
def test_the_image_itself_stands_elsewhere(value: Any):
    findings = check_template(a_document(properties={"images_logo": value}))

    assert [(found.code, found.path) for found in findings.errors] == [
        ("property-value", "$.properties.images_logo")
    ]


def test_rules_set_no_images():
    action = {"action": "PSActionSetValue", "targetPath": "images_logo", "value": DIGEST}
    triggers = {"onScan": action}
    template = a_template(triggers=triggers)

    outcome = template.run("onScan", a_pass({"images_logo": OTHER}))

    assert outcome.values == {"images_logo": OTHER}
    assert "rules set no images" in str(outcome.trace)
    warnings = check_template(a_document(triggers=triggers)).warnings
    assert "images_logo is an image: the action does nothing" in {w.detail for w in warnings}


def test_no_other_value_moves_to_an_image():
    properties = {"photo": "", "psPathMigrations": '{"photo": "images_logo", "pic": "images_icon"}'}
    template = a_template(properties=properties)
    state = a_pass({"photo": DIGEST, "pic": OTHER})

    assert template.migrate(state).values == state.values
    assert template.find("pic") is None
    details = {found.detail for found in check_template(a_document(properties=properties)).warnings}
    assert "the moves of photo lead to an image, which takes over no values" in details
