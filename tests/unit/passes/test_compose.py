from dataclasses import replace

import pytest

from shared.passes.apple.pass_json import write_pass_json
from tests.unit.passes.samples import (
    ANN,
    ISSUER,
    a_card,
    a_pass,
    a_template,
    compiled,
    composed,
    pass_json,
)


def test_own_value_stands_before_the_template():
    template = a_template()

    card = composed(template, a_pass({"structure_headerFields_points_value": 25}))

    assert card["storeCard"]["headerFields"][0]["value"] == 25
    assert composed(template, a_pass())["storeCard"]["headerFields"][0]["value"] == 0


def test_texts_show_members_values_and_properties():
    state = a_pass({"structure_headerFields_points_value": 12.0}, ANN)

    card = composed(a_template(), state)

    assert card["storeCard"]["backFields"][0]["value"] == "Dear Ann: 12 points, C-77"


def test_pass_without_member_shows_empty_text():
    card = composed(a_template(), a_pass())

    assert card["storeCard"]["secondaryFields"][0]["value"] == ""


def test_values_set_on_the_pass_are_not_expanded():
    state = a_pass({"code": "{member_name}"}, ANN)

    card = composed(a_template(), state)

    assert card["storeCard"]["backFields"][0]["value"].endswith("{member_name}")


def test_identity_comes_from_the_issuer():
    card = composed(a_template({"serialNumber": "mine", "formatVersion": 7}), a_pass())

    assert card["serialNumber"] == "serial0"
    assert card["formatVersion"] == 1
    assert card["passTypeIdentifier"] == ISSUER.pass_type_identifier
    assert card["teamIdentifier"] == ISSUER.team_identifier
    assert card["webServiceURL"] == ISSUER.web_service_url
    assert card["organizationName"] == "Beans"
    assert "voided" not in card


def test_voided_pass_says_so():
    assert composed(a_template(), a_pass(voided=True))["voided"] is True


def test_names_that_the_template_lacks_are_filled_in():
    card = composed(a_template({"description": None, "organizationName": ""}), a_pass())

    assert card["description"] == "Card"
    assert card["organizationName"] == "Beans Ltd"


def test_colours_are_normalised_wherever_they_come_from():
    template = a_template({"labelColor": "{shade}"}, properties={"shade": "#fff"})

    card = composed(template, a_pass({"foregroundColor": "navy"}))

    assert card["backgroundColor"] == "rgb(102, 51, 0)"
    assert card["foregroundColor"] == "rgb(0, 0, 128)"
    assert card["labelColor"] == "rgb(255, 255, 255)"


def test_colour_that_is_none_in_the_end_is_left_out():
    template = a_template({"labelColor": "{shade}"}, properties={"shade": "dull"})

    assert "labelColor" not in composed(template, a_pass())


def test_null_hides_a_key_and_a_field_without_value_is_left_out():
    state = a_pass({"backgroundColor": None, "structure_headerFields_points_value": None})

    card = composed(a_template(), state)

    assert "backgroundColor" not in card
    assert card["storeCard"]["headerFields"] == []


def test_barcode_without_message_gets_the_handle():
    card = composed(a_template(), a_pass())

    assert card["barcodes"] == [card["barcode"]]
    assert card["barcode"] == {
        "format": "PKBarcodeFormatQR",
        "message": "handle0",
        "messageEncoding": "iso-8859-1",
    }


def test_barcode_paths_address_the_first_of_several():
    state = a_pass({"barcode_message": "Grüße"})

    card = composed(a_template({"barcodes": [{"format": "PKBarcodeFormatCode128"}]}), state)

    assert card["barcodes"][0]["message"] == "Grüße"
    assert card["barcodes"][0]["messageEncoding"] == "iso-8859-1"
    assert "barcode" not in card


def test_message_that_latin_cannot_hold_is_utf_8():
    card = composed(a_template(), a_pass({"barcode_message": "ключ"}))

    assert card["barcode"]["messageEncoding"] == "utf-8"


def test_what_is_set_on_barcode_reaches_its_twin():
    code = {"format": "PKBarcodeFormatQR", "message": "x"}
    template = a_template({"barcode": code, "barcodes": [code]})

    card = composed(template, a_pass({"barcode_message": "own"}))

    assert card["barcode"]["message"] == card["barcodes"][0]["message"] == "own"


def test_what_is_set_on_barcode_reaches_a_twin_that_has_no_message_of_its_own():
    code = {"format": "PKBarcodeFormatQR"}
    template = a_template({"barcode": code, "barcodes": [code]})

    whole = composed(template, a_pass({"barcode": {"message": "whole"}}))
    single = composed(template, a_pass({"barcode_message": "own", "barcode": {"altText": "a"}}))

    assert whole["barcodes"][0]["message"] == "whole"
    assert single["barcodes"][0]["message"] == "own"
    assert single["barcodes"][0]["altText"] == "a"


def test_policy_handle_overrides_every_message():
    template = a_template(
        {"barcodes": [{"format": "PKBarcodeFormatQR", "altText": "{barcode_message}"}]},
        barcode_policy="handle",
    )

    card = composed(template, a_pass({"barcode_message": "own"}))

    assert card["barcode"]["message"] == card["barcode"]["altText"] == "handle0"


def test_policy_none_leaves_no_barcode():
    card = composed(a_template(barcode_policy="none"), a_pass({"barcode_message": "own"}))

    assert "barcode" not in card
    assert "barcodes" not in card


def test_style_can_change_on_a_pass():
    card = composed(a_template(), a_pass({"passType": "boardingPass"}))

    assert "storeCard" not in card
    assert card["boardingPass"]["transitType"] == "PKTransitTypeGeneric"
    assert card["boardingPass"]["headerFields"][0]["key"] == "points"


def test_container_is_set_whole_and_values_within_land_on_top():
    fields = [{"key": "new", "value": 1}, {"key": "points", "value": 2}]
    state = a_pass({"structure_headerFields": fields, "structure_headerFields_points_value": 3})

    card = composed(a_template(), state)

    assert card["storeCard"]["headerFields"] == [
        {"key": "new", "value": 1},
        {"key": "points", "value": 3},
    ]
    assert fields[1]["value"] == 2


def test_values_the_template_does_not_have_are_created():
    state = a_pass({"semantics_venueLocation_latitude": 1.5, "nfc_message": "n", "logoText": "Hi"})

    card = composed(a_template(), state)

    assert card["semantics"] == {"venueLocation": {"latitude": 1.5}}
    assert card["nfc"] == {"message": "n"}
    assert card["logoText"] == "Hi"


@pytest.mark.parametrize("own", [{}, {"link": "javascript:alert(1)"}])
def test_link_of_a_field_does_not_lead_to_a_script(own: dict[str, str]):
    field = {"key": "a", "value": "x", "attributedValue": '<a href="{link}">x</a>'}
    document = {"properties": {"link": {"value": "data:x", "editable": True}}}
    template = a_template({"storeCard": {"backFields": [field]}}, **document)

    (shown,) = composed(template, a_pass(dict(own)))["storeCard"]["backFields"]

    assert shown["attributedValue"] == "<a>x</a>"


def test_own_markup_of_a_pass_does_not_lead_to_a_script():
    template = a_template({"storeCard": {"backFields": [{"key": "a", "value": "x"}]}})
    path = "structure_backFields_a_attributedValue"
    own = {path: '<a href="javascript:x">y</a> <a href="https://z.example">z</a>'}

    (shown,) = composed(template, a_pass(dict(own)))["storeCard"]["backFields"]

    assert shown["attributedValue"] == '<a>y</a> <a href="https://z.example">z</a>'


def test_what_is_put_into_markup_is_escaped():
    field = {"key": "a", "value": "x", "attributedValue": '<a href="/{code}">{member_name}</a>'}
    template = compiled(a_card([field], properties={"code": '"><script>'}))

    card = composed(template, a_pass(member={"name": "A & B"}))

    markup = card["storeCard"]["headerFields"][0]["attributedValue"]
    assert markup == '<a href="/&quot;&gt;&lt;script&gt;">A &amp; B</a>'


def test_a_path_that_leads_back_to_itself_stays_text():
    template = a_template({"logoText": "{a}"}, properties={"a": "<{b}>", "b": "[{a}]"})

    assert composed(template, a_pass())["logoText"] == "<[{a}]>"


def test_expansion_does_not_explode():
    properties = {f"p{level}": f"{{p{level + 1}}}" * 50 for level in range(9)}
    template = a_template({"logoText": "{p0}"}, properties=properties | {"p9": "x" * 100})

    assert len(pass_json(template, a_pass())) < 1_000_000


def test_replaced_text_is_not_scanned_again():
    template = a_template({"logoText": "{a}{b}"}, properties={"a": "{", "b": "member_name}"})

    assert composed(template, a_pass(member=ANN))["logoText"] == "{member_name}"


def test_authentication_token_is_put_in_when_given():
    raw = write_pass_json(a_template().card(a_pass()), ISSUER, "t" * 16)

    assert b'"authenticationToken":"tttttttttttttttt"' in raw


def test_values_of_another_revision_are_ignored():
    state = a_pass({"gone": 1, "backgroundColor": 5, "structure_headerFields": "x"})

    assert composed(a_template(), state) == composed(a_template(), a_pass())


def test_composing_leaves_the_template_as_it_was():
    template = a_template()
    before = pass_json(template, a_pass())
    pass_json(
        template,
        a_pass({"structure": {"headerFields": []}, "barcode_message": "own", "locations": []}, ANN),
    )

    assert pass_json(template, a_pass()) == before


def test_display_shows_what_a_page_needs():
    display = a_template({"logoText": "Beans"}).display(a_pass(member=ANN))

    assert display.description == "Coffee card"
    assert display.logo_text == "Beans"
    assert display.background_color == "rgb(102, 51, 0)"
    assert [(f.label, f.value) for f in display.groups["headerFields"]] == [("Points", 0)]
    assert [(f.label, f.value) for f in display.groups["secondaryFields"]] == [("Member", "Ann")]
    assert display.barcode_message == "handle0"


@pytest.mark.parametrize("key", ["value", "label", "my_key_value", "a b"])
def test_field_keys_may_hold_anything_but_brackets(key: str):
    template = compiled(a_card([{"key": key, "value": "x"}]))
    path = f"structure_headerFields_{key}_value"

    card = composed(template, a_pass(template.check_values({path: "own"})))

    assert card["storeCard"]["headerFields"] == [{"key": key, "value": "own"}]


@pytest.mark.parametrize("text", ["0012345", "+491701234567", "1.50", " 7", "1_000", "-0"])
def test_text_of_digits_stays_text_over_a_number(text: str):
    template = compiled(a_card([{"key": "points", "label": "Points", "value": 0}]))
    path = "structure_headerFields_points_value"

    values = template.check_values({path: text})

    (field,) = composed(template, a_pass(values))["storeCard"]["headerFields"]
    assert (values, field["value"]) == ({path: text}, text)


@pytest.mark.parametrize(("text", "number"), [("7", 7), ("-12.5", -12.5), ("0", 0)])
def test_text_that_is_printed_like_its_number_becomes_one_over_a_number(text: str, number: float):
    template = compiled(a_card([{"key": "points", "label": "Points", "value": 0}]))

    assert template.check_values({"structure_headerFields_points_value": text}) == {
        "structure_headerFields_points_value": number
    }


def test_field_with_marked_up_text_alone_is_kept():
    link = "<a href='https://example.com'>Offers</a>"
    template = a_template(
        {"storeCard": {"backFields": [{"key": "a", "attributedValue": link}, {"key": "b"}]}}
    )

    assert composed(template, a_pass())["storeCard"]["backFields"] == [
        {"key": "a", "attributedValue": link, "value": ""}
    ]


@pytest.mark.parametrize(
    "colour", ["rgb(77,186,11)", "#4dba0b", "RGBA(77, 186, 11, 0.75)".lower(), "rgba(77,186,11,.5)"]
)
def test_colour_is_kept_as_it_was_set_and_shown_in_its_normal_form(colour: str):
    template = a_template()

    values = template.check_values({"backgroundColor": colour})

    assert values == {"backgroundColor": colour}
    assert template.read(a_pass(values), "backgroundColor") == colour
    assert composed(template, a_pass(values))["backgroundColor"] == "rgb(77, 186, 11)"


def test_colour_of_a_template_is_shown_in_its_normal_form_too():
    template = a_template({"backgroundColor": "navy", "labelColor": "rgba(255, 255, 255, 0.75)"})

    shown = composed(template, a_pass())

    assert (shown["backgroundColor"], shown["labelColor"]) == (
        "rgb(0, 0, 128)",
        "rgb(255, 255, 255)",
    )


@pytest.mark.parametrize(
    ("encoding", "message", "expected"),
    [
        ("latin1", "Grüße", "iso-8859-1"),
        ("ISO8859-1", "10 €", "utf-8"),
        ("latin1", "Привет", "utf-8"),
        ("iso-8859-15", "10 €", "iso-8859-15"),
        ("latin9", "10 €", "iso-8859-15"),
        ("windows-1251", "Привет", "windows-1251"),
        ("cp1251", "Привет", "windows-1251"),
        ("UTF8", "Привет", "utf-8"),
        ("nonsense", "Grüße", "utf-8"),
        ("base64", "Grüße", "utf-8"),
        ("", "\x01\x7f\xff", "iso-8859-1"),
    ],
)
def test_encoding_of_a_barcode_is_known_by_all_its_names(
    encoding: str, message: str, expected: str
):
    code = {"format": "PKBarcodeFormatQR", "message": message, "messageEncoding": encoding}
    template = a_template({"barcodes": [code]})

    (shown,) = composed(template, a_pass())["barcodes"]

    assert (shown["message"], shown["messageEncoding"]) == (message, expected)


def test_every_character_of_latin_1_comes_through():
    message = "".join(map(chr, range(1, 256)))
    template = a_template({"barcodes": [{"format": "PKBarcodeFormatQR"}]})

    (shown,) = composed(template, a_pass({"barcode_message": message}))["barcodes"]

    assert shown["message"].encode(shown["messageEncoding"]) == bytes(range(1, 256))


def test_text_shows_who_the_member_is_to_the_issuer():
    template = a_template(properties={"line": "{member_id} {member_name}"})
    state = replace(a_pass(member=ANN), member_id="m-7")

    assert template.expand(state, "{line}") == "m-7 Ann"
    assert template.expand(replace(a_pass(), member_id="gone"), "{line}") == " "
