import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import InvalidError
from shared.passes.language.conditions import compile_condition
from shared.passes.language.magic import MAX_BRACKETS
from shared.passes.language.state import Environment
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import check_template
from tests.unit.passes.samples import (
    ANN,
    a_document,
    a_pass,
    a_template,
    composed,
    pass_json,
)

POINTS = "structure_headerFields_points_value"
ENVIRONMENT = Environment("https://w.example", "hash,", "42", "9", "tpl")


def a_housed_template(
    changes: dict[str, Any] | None = None, environment: Environment = ENVIRONMENT, **parts: Any
) -> CompiledTemplate:
    document = a_document(changes, **parts)
    return compile_template(
        document, name="Card", organization="Beans Ltd", environment=environment
    )


def expanded(text: str, template: CompiledTemplate | None = None) -> str:
    return (template or a_housed_template()).expand(a_pass(member=ANN), text)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{rootPath}", "https://w.example"),
        ("{clientHash}", "hash,"),
        ("{clientId}", "42"),
        ("{templateHash}", "tpl"),
        ("{hashedSerialNumber}", "handle0"),
        ("{timestamp}", "2026-11-21T00:00:00Z"),
        ("{psPassURL}", "https://w.example/pass/create.php?hashedSerialNumber=handle0"),
        ("{psRegisterURL}", "https://w.example/pass/register.php?hashedSerialNumber=handle0"),
        (
            "{psEditorURL}",
            "https://w.example/pass/editor.php?clientHash=hash,&hashedSerialNumber=handle0",
        ),
        ("{psScanURL}", "https://w.example/pass/scan.php?clientHash=hash,"),
        ("{PSColorGreen}", "rgb(77,186,11)"),
        ("{PSColorYellow}", "rgb(187,187,58)"),
        ("{PSColorRed}", "rgb(187,49,58)"),
        ("{psButtons} {nothing}", "{psButtons} {nothing}"),
    ],
)
def test_special_words(text: str, result: str):
    assert expanded(text) == result


def test_what_the_house_does_not_know_stays_text():
    text = "{rootPath}{clientHash}{clientId}{templateHash}{psPassURL}{psScanURL:URLEncoded}"

    assert expanded(text, a_template()) == text


def test_client_hash_may_come_from_a_function():
    template = a_housed_template(None, replace(ENVIRONMENT, client_hash=lambda: "new"))

    assert expanded("{clientHash}", template) == "new"


def test_transformations():
    template = a_housed_template(properties={"a": 'say "a&b"'})

    assert expanded("{a:URLEncoded}", template) == "say%20%22a%26b%22"
    assert expanded("{a:EscapedQuotes}", template) == 'say \\"a&b\\"'
    assert expanded("{a:EscapedQuotes:URLEncoded}", template) == "say%20%5C%22a%26b%5C%22"
    assert expanded("{a:Upper} {:URLEncoded}", template) == "{a:Upper} {:URLEncoded}"


def test_scanner_is_configured_with_the_first_beacon():
    beacon = {"proximityUUID": "E2C56DB5-DFFB", "major": 1, "minor": 20}
    template = a_housed_template({"beacons": [beacon]})
    url = "https%3A%2F%2Fw.example%2Fpass%2Fscan.php%3FclientHash%3Dhash%2C"

    assert expanded("{psScannerConfigURL}") == f"passscanner://?customURL={url}"
    assert expanded("{psScanURL:PassScannerConfig}") == expanded("{psScannerConfigURL}")
    assert expanded("{psScannerConfigURL}", template) == (
        f"passscanner://?customURL={url}&proximityUUID=E2C56DB5-DFFB&major=1&minor=20"
    )


def test_editor_address_is_of_no_pass_on_the_portal_and_in_the_scanner():
    template = a_housed_template(properties={"psPortalHeader": "{psEditorURL}"})

    assert "hashedSerialNumber" not in expanded("{psEditorURL:PassScannerConfig}")
    assert expanded("{psPortalHeader}", template) == (
        "https://w.example/pass/editor.php?clientHash=hash,"
    )


def test_edit_code_takes_the_place_of_the_client_hash():
    template = a_housed_template(properties={"psEditCode": "s&cret"})

    assert expanded("{psEditorURL}", template) == (
        "https://w.example/pass/editor.php"
        "?templateId=9&psEditCode=s%26cret&hashedSerialNumber=handle0"
    )
    assert expanded("{psScanURL}", template).endswith("scan.php?templateId=9&psEditCode=s%26cret")
    assert "hash," not in expanded("{psScannerConfigURL}", template)


def test_own_value_is_expanded_unless_it_was_typed_by_a_user():
    template = a_template()
    values = {"code": "{member_name}", "logoText": "Hi {code}"}

    trusted = composed(template, a_pass(values, ANN, literal=()))
    typed = composed(template, a_pass(values, ANN, literal=["code"]))
    unknown = composed(template, a_pass(values, ANN))

    assert trusted["logoText"] == "Hi Ann"
    assert typed["logoText"] == "Hi {member_name}"
    assert unknown["logoText"] == "Hi {code}"


def test_stored_values_are_raw():
    state = a_pass({"logoText": "Hi {member_name}"}, ANN, literal=())

    assert a_template().read(state, "logoText") == "Hi {member_name}"


def test_own_container_is_expanded_within():
    field = {"key": "a", "value": "{member_name}", "attributedValue": "<b>{member_name}</b>"}
    state = a_pass({"structure_backFields": [field]}, {"name": "A&B"}, literal=())

    card = composed(a_template(), state)

    assert card["storeCard"]["backFields"] == [
        {"key": "a", "value": "A&B", "attributedValue": "<b>A&amp;B</b>"}
    ]


def test_colour_may_be_given_by_a_magic_string_only_where_it_may_be_expanded():
    template = a_template()
    given = {"backgroundColor": "{PSColorRed}"}

    assert template.check_values(given, may_expand=True) == given
    card = composed(template, a_pass(given, literal=()))
    assert card["backgroundColor"] == "rgb(187, 49, 58)"
    with pytest.raises(InvalidError):
        template.check_values(given)


def test_values_within_an_own_container_are_found():
    state = a_pass({"structure_headerFields": [{"key": "points", "value": 9}]})
    template = a_template({"logoText": "{" + POINTS + "}"})

    assert template.read(state, POINTS) == 9
    assert composed(template, state)["logoText"] == "9"
    assert template.read(state, "structure_headerFields_points_label") is None


def test_a_text_has_1024_brackets_that_are_replaced():
    template = a_housed_template(properties={"a": "x"})

    assert expanded("{a}" * (MAX_BRACKETS + 2), template) == "x" * MAX_BRACKETS + "{a}{a}"


def test_each_transformation_counts_what_it_is_given():
    template = a_housed_template(properties={"a": "x" * 30_000})

    assert expanded("{a:URLEncoded}", template) == "x" * 30_000
    assert expanded("{a:URLEncoded:URLEncoded}", template) == "{a:URLEncoded:URLEncoded}"


def test_an_own_value_is_cut_once_however_often_it_is_named():
    template = a_housed_template(properties={"a": ""})
    state = a_pass({"a": "".join(f"{{x{n}}}" for n in range(8_000))}, literal=())
    condition = compile_condition(" AND ".join(["{a}"] * 100), template.path_index)

    started = time.process_time()
    holds = condition.holds(template.expansion(state))

    assert holds
    assert time.process_time() - started < 0.05  # a hundred times takes a quarter of a second


def test_loops_are_told_at_save_and_stay_text_on_the_pass():
    properties = {"a": "<{b}>", "b": "[{a}]", "c": "{a}"}
    document = a_document(properties=properties)
    template = a_template(properties=properties)

    found = [entry.path for entry in check_template(document) if entry.code == "loop"]

    assert found == ["$.properties.a", "$.properties.b"]
    assert template.loops == ("a", "b")
    assert expanded("{c}", template) == "<[{a}]>"
    assert a_template().find_loops(a_pass({"code": "x{code}"}, literal=())) == ("code",)
    assert a_template().find_loops(a_pass({"code": "x{code}"}, literal=["code"])) == ()


def test_pass_description_is_there_when_the_template_has_none():
    own = a_pass({"psPassDescription": "Mine"})

    assert a_template().text_of(a_pass(), "psPassDescription") == "Coffee card"
    assert a_template().read(a_pass(), "psPassDescription") == "Coffee card"
    assert a_template().text_of(own, "psPassDescription") == "Mine"
    looped = a_template({"description": "A {psPassDescription}"})
    assert looped.text_of(a_pass(), "psPassDescription") == "A {psPassDescription}"
    assert looped.loops == ("description",)


@pytest.mark.parametrize("path", ["psScanText", "psScanColor", "psDisplayURL", "psTriggerError"])
def test_special_properties_can_always_be_set(path: str):
    assert a_template().check_values({path: "x"}) == {path: "x"}
    assert a_template().text_of(a_pass(), path) == ""


def test_values_move_with_their_paths():
    moves = f'{{"structure_auxiliaryFields_old_value": "{POINTS}", "gone": "code"}}'
    template = a_template(properties={"code": "C", "psPathMigrations": moves})
    state = a_pass({"structure_auxiliaryFields_old_value": 7, "gone": "x{member_name}"}, ANN)

    migrated = template.migrate(replace(state, literal=frozenset({"gone"})))

    assert migrated.values == {POINTS: 7, "code": "x{member_name}"}
    assert migrated.literal == {"code"}
    assert template.read(state, POINTS) == 7
    assert composed(template, state)["storeCard"]["headerFields"][0]["value"] == 7
    assert template.check_values({"gone": "y"}) == {"code": "y"}
    assert template.migrate(a_pass({"gone": 1, "code": 2})).values == {"code": 2}


def test_moves_that_make_no_sense_are_found():
    documents = {
        value: a_document(properties={"psPathMigrations": value})
        for value in ("x", '{"a": "b", "b": "a"}', '{"a": "nowhere"}')
    }
    codes = {
        value: {entry.code for entry in check_template(document)}
        for value, document in documents.items()
    }

    assert "migrations" in codes["x"]
    assert "migrations" in codes['{"a": "b", "b": "a"}']
    assert "unknown-path" in codes['{"a": "nowhere"}']


def test_images_have_paths():
    digest, own = "a" * 64, "b" * 64
    template = a_template(images={"logo": digest, "icon": digest})
    state = a_pass(template.check_values({"images_logo": own, "images_strip@2x": own}))

    assert template.read(state, "images_logo") == own
    assert template.read(a_pass(), "images_logo") == digest


def test_unknown_paths_in_a_list_of_paths_are_warnings():
    document = a_document(properties={"code": "", "psExportPaths": f"{POINTS}, nope"})

    found = [entry for entry in check_template(document) if entry.code == "unknown-path"]
    assert [(entry.path, entry.detail) for entry in found] == [
        ("$.properties.psExportPaths", "nope names no path")
    ]


brackets = [
    "{a}",
    "{b}",
    "{c}",
    "{logoText}",
    "{psPassDescription}",
    "{description}",
    "{timestamp}",
]
pieces = st.sampled_from(
    [*brackets, "{a:URLEncoded}", "{b:PassScannerConfig}", "{psEditorURL}", "{", "}", "x", ":"]
)
texts = st.lists(pieces, max_size=12).map("".join)


@settings(max_examples=300, deadline=500)
@given(
    values=st.dictionaries(st.sampled_from("abc"), texts, min_size=3),
    logo_text=texts,
    description=texts,
    is_own=st.booleans(),
)
def test_expansion_ends_and_never_crashes(
    values: dict[str, str], logo_text: str, description: str, *, is_own: bool
):
    skeleton = {"logoText": logo_text, "description": description}
    properties = dict.fromkeys("abc", "") if is_own else values
    template = a_housed_template(skeleton, properties=properties)
    state = a_pass(values if is_own else {}, literal=())

    assert pass_json(template, state) == pass_json(template, state)
    template.find_loops(state)
    for path in ("a", "b", "c", "psPassDescription"):
        template.text_of(state, path)
    assert check_template(a_document(skeleton, properties=values))


def test_hostile_chains_are_quick():
    properties = {f"p{level}": f"{{p{level + 1}}}" * 400 for level in range(9)}
    template = a_template(properties=properties | {"p9": ""})

    assert len(expanded("{p0}" * 1000, template)) < 200_000
