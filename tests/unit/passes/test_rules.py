from typing import Any

import pytest

from shared.passes.language.rules import RuleOutcome
from tests.unit.passes.samples import ANN, a_pass, a_template

POINTS = "structure_headerFields_points_value"


def setting(path: str, value: Any) -> dict[str, Any]:
    return {"action": "PSActionSetValue", "targetPath": path, "value": value}


def adding(path: str, amount: Any) -> dict[str, Any]:
    return {"action": "PSActionIncrementValue", "targetPath": path, "amount": amount}


def run(
    actions: Any, values: dict[str, Any] | None = None, member: dict[str, Any] | None = None
) -> RuleOutcome:
    template = a_template(triggers={"onScan": actions})
    return template.run("onScan", a_pass(values, member))


def test_increment_starts_from_the_template_and_goes_on_from_the_pass():
    assert run(adding(POINTS, 1)).values == {POINTS: 1}
    assert run(adding(POINTS, "-2"), {POINTS: 5}).values == {POINTS: 3}


def test_increment_makes_no_float_noise():
    outcome = run(adding(POINTS, 0.2), {POINTS: 0.1})

    assert outcome.values == {POINTS: 0.3}


@pytest.mark.parametrize(
    ("value", "result"), [("7 points", 8), ("", 1), (None, 1), ("1.5", 2.5), (True, 2)]
)
def test_target_is_forced_to_a_number(value: Any, result: float):
    assert run(adding("code", 1), {"code": value}).values == {"code": result}


def test_text_places_keep_their_numbers_as_text():
    assert run(adding("logoText", 1), {"logoText": "9"}).values == {"logoText": "10"}


def test_actions_see_what_those_before_them_did():
    outcome = run(
        [adding(POINTS, 5), setting("code", "{member_name} has {" + POINTS + "}")], {}, ANN
    )

    assert outcome.values == {POINTS: 5, "code": "Ann has 5"}
    assert outcome.trace == [
        {"action": "PSActionIncrementValue", "path": POINTS, "from": 0, "to": 5},
        {
            "action": "PSActionSetValue",
            "path": "code",
            "from": "C-{member_external_id}",
            "to": "Ann has 5",
        },
    ]


def test_nothing_changed_gives_the_same_values_back():
    values = {"code": "x"}
    template = a_template(triggers={"onScan": setting("code", "x")})

    assert template.run("onScan", a_pass(values)).values is values
    assert template.run("onCheck", a_pass(values)).values is values


@pytest.mark.parametrize(
    "action",
    [
        setting("nowhere", 1),
        setting("member_name", "Eve"),
        setting("backgroundColor", "bluish"),
        setting("maxDistance", [1]),
        adding("backgroundColor", 1),
        adding("member_points", 1),
    ],
)
def test_action_that_cannot_be_done_says_why_and_the_next_is_done(action: dict[str, Any]):
    outcome = run([action, setting("code", "done")], {}, ANN)

    assert outcome.values == {"code": "done"}
    assert outcome.trace[0]["reason"]
    assert outcome.trace[0]["from"] == outcome.trace[0]["to"]


def test_text_cannot_grow_beyond_its_limit():
    values: dict[str, Any] = {"code": "x" * 9000}

    outcome = run(setting("code", "{code}{code}"), values)

    assert outcome.values is values


def test_number_cannot_grow_beyond_its_limit():
    values: dict[str, Any] = {"code": 10**15}

    assert run(adding("code", 1), values).values is values


def test_action_with_conditions_is_never_done():
    assert run({**setting("code", "x"), "PSConditions": "scanned"}).values == {}


def test_texts_within_a_container_are_expanded():
    places = [{"latitude": 1, "longitude": 2, "relevantText": "Hi {member_name}"}]

    outcome = run(setting("locations", places), {}, ANN)

    assert outcome.values["locations"][0]["relevantText"] == "Hi Ann"


def test_colour_by_name_may_be_set():
    assert run(setting("backgroundColor", "blue")).values == {"backgroundColor": "blue"}


def points(amount: Any) -> dict[str, Any]:
    return {"action": "PSActionAdjustPoints", "amount": amount}


def test_rules_may_change_the_members_points():
    outcome = run([points(5), points("-2"), points("{member_points}")], {}, ANN)

    assert outcome.points == 5 - 2 + 7
    assert outcome.values == {}
    assert [entry["amount"] for entry in outcome.trace] == [5, -2, 7]


def test_points_of_a_pass_without_member_are_told():
    outcome = run(points(5))

    assert outcome.points == 0
    assert outcome.trace[0]["reason"] == "the pass has no member, so no points change"


def test_points_that_turn_out_to_be_no_whole_number_are_told():
    outcome = run(points("{code}"), {"code": "2.5"}, ANN)

    assert outcome.points == 0
    assert "whole number" in outcome.trace[0]["reason"]
