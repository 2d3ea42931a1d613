"""The inputs of forms: what they show, and what becomes of what is typed."""

from typing import Any

import pytest

from services.gateway.domain.forms import (
    Input,
    changes,
    check,
    form_inputs,
    prefill,
    read_colour,
    take,
)
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument
from tests.unit.passes.samples import a_pass

NAME = "structure_primaryFields_name_value"
SIZES = {"Small": "S", "Large": "L"}


def template(**properties: Any) -> CompiledTemplate:
    name = {"value": "", "editable": True, "label": "Name", "validation": "VRequired"}
    document = TemplateDocument.model_validate(
        {
            "pass": {
                "description": "Card",
                "storeCard": {"primaryFields": [{"key": "name", "value": name}]},
            },
            "properties": properties,
        }
    )
    return compile_template(document, name="Card", organization="Beans")


def editable(value: Any = "", **attributes: Any) -> dict[str, Any]:
    return {"value": value, "editable": True, **attributes}


def the(path: str, compiled: CompiledTemplate, values: dict[str, Any] | None = None) -> Input:
    return next(e for e in form_inputs(compiled, a_pass(values or {})) if e.path == path)


def sent(compiled: CompiledTemplate, fields: dict[str, Any], **own: Any) -> dict[str, Any]:
    state = a_pass(own)
    return changes(compiled, state, take(form_inputs(compiled, state), fields))


def test_a_form_has_every_editable_path_in_the_wanted_order():
    """R1."""
    compiled = template(
        size=editable(),
        secret="x",
        mail=editable(label="E-mail"),
        psRegistrationPaths=" mail,secret",
    )

    inputs = form_inputs(compiled, a_pass({}))

    assert next(entry.path for entry in inputs) == "mail"
    assert {entry.path for entry in inputs} == {"mail", NAME, "size"}
    assert [entry.label for entry in inputs if entry.path != "size"] == ["E-mail", "Name"]
    assert the("size", compiled).label == "size"


def test_an_input_holds_the_default_or_what_the_pass_has():
    """R1, R2."""
    compiled = template(size=editable("M"))

    assert the("size", compiled).text == "M"
    assert the("size", compiled, {"size": "L"}).text == "L"


def test_an_input_is_a_text_unless_it_says_otherwise_or_has_options():
    """I1, I7."""
    compiled = template(a=editable(), b=editable(options=SIZES), c=editable(type="of tomorrow"))

    assert [the(path, compiled).kind for path in "abc"] == ["text", "dropdown", "text"]


@pytest.mark.parametrize("kind", ["PSAttributeTypeDropdown", "dropdown", "Dropdown"])
def test_a_dropdown_shows_keys_and_stores_values(kind: str):
    """I2."""
    compiled = template(size=editable("S", options=SIZES, type=kind))
    options = the("size", compiled).options

    assert [(option.label, option.value, option.is_chosen) for option in options] == [
        ("Small", "S", True),
        ("Large", "L", False),
    ]
    assert sent(compiled, {"size": "L"}) == {"size": "L"}


def test_a_dropdown_refuses_other_values_but_keeps_a_present_one():
    """I2."""
    compiled = template(size=editable("S", options=SIZES))
    old = the("size", compiled, {"size": "XL, old"})
    foreign = check(prefill([the("size", compiled)], {"size": "XXL"})[0])

    assert [(o.label, o.is_current) for o in old.options][-1] == ("XL, old", True)
    assert check(old).fault == ""
    assert foreign.fault == "not_an_option"


@pytest.mark.parametrize(("default", "stored"), [(["S"], ["S", "L"]), ("S", "S,L")])
def test_a_multiselect_is_stored_as_its_default_is(default: Any, stored: Any):
    """I3."""
    compiled = template(size=editable(default, options=SIZES, type="PSAttributeTypeMultiselect"))

    assert sent(compiled, {"size{0}": "S", "size{1}": "L"}) == {"size": stored}
    assert sent(compiled, {"size{0}": "S"}) == {}


def test_an_unchecked_box_sends_false():
    """I4."""
    compiled = template(news=editable(value=True, type="PSAttributeTypeCheckbox"))

    assert sent(compiled, {}) == {"news": False}
    assert sent(compiled, {"news": "true"}) == {}
    assert sent(compiled, {"news": "true"}, news=False) == {"news": True}


def test_an_unchecked_box_is_false_and_not_empty():
    """V13."""
    both = template(
        yes=editable(value=False, type="checkbox", validation="VTrue"),
        no=editable(value=False, type="checkbox", validation="VFalse"),
    )
    unticked = {entry.path: check(entry) for entry in take(form_inputs(both, a_pass({})), {})}

    assert unticked["yes"].fault == "VTrue"
    assert unticked["no"].fault == ""


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("#ff8000", "rgb(255, 128, 0)"),
        ("rebeccapurple", "rgb(102, 51, 153)"),
        ("hsl(120, 100%, 50%)", "rgb(0, 255, 0)"),
        ("rgb(1,2,3)", "rgb(1, 2, 3)"),
        ("#abc", "rgb(170, 187, 204)"),
    ],
)
def test_any_colour_is_understood_and_stored_as_rgb(typed: str, stored: str):
    """I5."""
    compiled = template(shade=editable("white", type="PSAttributeTypeColor"))

    assert sent(compiled, {"shade": typed}) == {"shade": stored}
    assert the("shade", compiled).hex_colour == "#ffffff"


def test_a_colour_that_is_none_or_was_not_touched_is_not_stored():
    """I5."""
    compiled = template(shade=editable("white", type="color"), bare=editable(None, type="color"))
    (wrong,) = prefill([the("shade", compiled)], {"shade": "dirty"})

    assert read_colour("dirty") is None
    assert check(wrong).fault == "not_a_colour"
    assert sent(compiled, {"shade": "#ffffff", "bare": "#000000"}) == {}


@pytest.mark.parametrize(
    ("step", "before", "up", "down"),
    [(None, "3", "4", "2"), (0.5, "1", "1.5", "0.5"), ("10", "", "10", "-10"), (2, "x", "2", "-2")],
)
def test_a_stepper_goes_by_its_amount_and_takes_what_is_typed(
    step: Any, before: str, up: str, down: str
):
    """I6."""
    compiled = template(cups=editable(before, type="PSAttributeTypeStepper", step=step))
    entry = the("cups", compiled)

    assert (entry.stepped(1).text, entry.stepped(-1).text) == (up, down)
    assert sent(compiled, {"cups": "7"}) == {"cups": "7"}


def test_validators_choose_the_keyboard():
    """I8."""
    names = {"VDate": "date", "VEmail": "email", "VPhone": "tel", "VNumeric": "decimal"}
    compiled = template(**{name: editable(validation=f"VRequired,{name}") for name in names})

    assert {name: the(name, compiled).keyboard for name in names} == names
    assert the("VDate", compiled, {"VDate": "2026-11-27"}).is_day
    assert not the("VDate", compiled, {"VDate": "tomorrow"}).is_day


def test_what_was_not_changed_goes_on_following_the_template():
    compiled = template(size=editable("M\nL"), mail=editable())

    assert sent(compiled, {"size": "M\r\nL", "mail": "a@b.example"}) == {"mail": "a@b.example"}


def test_a_value_within_a_container_that_was_set_whole_takes_its_place():
    """R13."""
    compiled = template()
    whole = {"structure_primaryFields": [{"key": "name", "label": "N", "value": "Ann"}]}

    assert the(NAME, compiled, whole).text == "Ann"
    assert sent(compiled, {NAME: "Ann"}, **whole) == {
        NAME: "Ann",
        "structure_primaryFields": None,
    }


def test_a_faulty_value_names_the_validator():
    compiled = template()

    assert check(the(NAME, compiled)).fault == "VRequired"
    assert the(NAME, compiled).is_required
