from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.passes.language.runs import Run
from shared.passes.language.state import Environment, PassState
from shared.passes.template.compiled import CallsOutError, CompiledTemplate, compile_template
from shared.passes.template.document import check_template
from tests.unit.passes.samples import ANN, a_document, a_pass, a_template
from tests.unit.passes.test_rules import POINTS, adding, setting

ENVIRONMENT = Environment(root_url="https://w.example", client_hash="h,")
PROPERTIES = {"code": "", "note": "", "list": "", "flag": False}


def calling(url: str) -> dict[str, Any]:
    return {"action": "PSActionURL", "url": url}


def executing(path: str) -> dict[str, Any]:
    return {"action": "PSActionExecuteTriggers", "targetPath": path}


def a_ruled_template(actions: Any, **properties: Any) -> CompiledTemplate:
    document = a_document(triggers={"onScan": actions}, properties={**PROPERTIES, **properties})
    return compile_template(document, name="Card", organization="Beans", environment=ENVIRONMENT)


def kept(run: Run, template: CompiledTemplate) -> Run:
    """What a durable run is after it was stored and read again."""
    return template.load_run(orjson.loads(orjson.dumps(run.to_json())))


def errors(triggers: dict[str, Any], **properties: Any) -> list[tuple[str, str]]:
    document = a_document(triggers=triggers, properties={**PROPERTIES, **properties})
    return [(entry.code, entry.path) for entry in check_template(document).errors]


def test_condition_decides_whether_an_action_is_done():
    action = {**setting("code", "x"), "PSConditions": "!scanned"}
    template = a_ruled_template([action])

    first, second = (
        template.run("onScan", a_pass(happened=happened)) for happened in ([], ["scanned"])
    )

    assert first.values == {"code": "x"}
    assert second.values == {}
    assert second.trace == [{"action": "PSActionSetValue", "path": "code", "skipped": "!scanned"}]


def test_conditions_see_the_values_so_far_but_the_state_before():
    actions = [
        adding(POINTS, 5),
        {**setting("code", "rich"), "PSConditions": "{" + POINTS + "} > 4 AND !scanned"},
    ]

    assert a_ruled_template(actions).run("onScan", a_pass()).values["code"] == "rich"


def test_list_of_the_template_is_executed():
    actions = [setting("code", "a"), executing("list"), setting("note", "after")]
    template = a_ruled_template(actions, list=[adding(POINTS, 2), setting("code", "b")])

    outcome = template.run("onScan", a_pass())

    assert outcome.values == {"code": "b", POINTS: 2, "note": "after"}
    assert [entry.get("list") for entry in outcome.trace] == [None, None, "list", "list", None]


def test_list_may_be_json_text_in_a_field_or_the_passs_own():
    text = orjson.dumps([[adding(POINTS, 2)], adding(POINTS, 1)]).decode()
    template = a_ruled_template(executing("list"), list=text)

    assert template.run("onScan", a_pass()).values == {POINTS: 3}
    own = a_pass({"list": orjson.dumps(adding(POINTS, 7)).decode()})
    assert template.run("onScan", own).values[POINTS] == 7


def test_what_a_user_typed_is_not_executed():
    editable: dict[str, Any] = {"value": [], "editable": True}
    template = a_ruled_template(executing("list"), list=editable)
    values = {"list": [adding(POINTS, 7)]}

    typed = template.run("onScan", a_pass(values, literal=["list"]))
    trusted = template.run("onScan", a_pass(values, literal=()))

    assert typed.values is values
    assert typed.trace[0]["reason"] == "what a user typed is not executed"
    assert trusted.values[POINTS] == 7


def test_broken_list_of_a_pass_is_told_in_the_trace():
    template = a_ruled_template(executing("list"))

    lists: list[Any] = ["{", "5", [5], [[]] * 2, '[{"action": "Jump"}]']
    for broken in lists:
        outcome = template.run("onScan", a_pass({"list": broken}))
        assert outcome.error is None
    assert "reason" in template.run("onScan", a_pass({"list": "{"})).trace[0]


def test_lists_that_execute_each_other_are_errors_at_save():
    found = errors({"onScan": executing("a")}, a=[executing("b")], b=[executing("a")])

    assert found == [("cycle", "$.properties.b[0].targetPath")]


def test_actions_in_a_list_are_checked_where_they_stand():
    found = errors(
        {"onScan": executing("list")},
        list=orjson.dumps([{"action": "PSActionJump"}, adding("code", "x")]).decode(),
    )

    assert found == [
        ("action", "$.properties.list[0].action"),
        ("amount", "$.properties.list[1].amount"),
    ]


def test_bad_condition_is_an_error_with_its_position():
    action = {**setting("code", 1), "PSConditions": "scanned AND"}
    findings = check_template(a_document(triggers={"onScan": [action]}))

    found = findings.errors[0]
    assert (found.code, found.path) == ("condition", "$.triggers.onScan[0].PSConditions")
    assert found.detail.startswith("at character 12: ")


def test_action_with_a_bad_condition_is_never_done():
    action = {**setting("code", 1), "PSConditions": "scanned AND"}

    assert a_ruled_template([action]).run("onScan", a_pass()).values == {}


def test_a_pass_that_executes_itself_is_stopped():
    template = a_ruled_template(executing("list"))
    values = {"list": [executing("list")]}

    outcome = template.run("onScan", a_pass(values))

    assert outcome.error == "The triggers execute lists deeper than 16."
    assert outcome.values is values


def test_number_of_actions_is_bounded():
    twice = {f"l{level}": [executing(f"l{level + 1}")] * 4 for level in range(5)}
    template = a_ruled_template(executing("l0"), **twice, l5=[adding(POINTS, 1)])

    outcome = template.run("onScan", a_pass())

    assert outcome.error == "The triggers do more than 1000 actions."
    assert outcome.values == {}


def test_amount_of_text_is_bounded():
    template = a_ruled_template([setting("code", "{note}")] * 100, note="x" * 14_000)

    assert template.run("onScan", a_pass()).error == "The triggers make more text than a run may."


def test_trigger_error_stops_the_run_and_nothing_is_kept():
    actions = [
        setting("code", "x"),
        {**setting("psTriggerError", "No, {member_name}"), "PSConditions": "{flag} = false"},
        setting("note", "never"),
    ]

    outcome = a_ruled_template(actions).run("onScan", a_pass({}, ANN))

    assert outcome.error == "No, Ann"
    assert outcome.values == {}
    assert len(outcome.trace) == 2


def test_trigger_error_is_cleared_when_a_run_begins():
    template = a_ruled_template(
        [setting("code", "{psTriggerError}!"), setting("psTriggerError", "")]
    )

    outcome = template.run("onScan", a_pass({"psTriggerError": "old"}))

    assert outcome.error is None
    assert outcome.values == {"code": "!", "psTriggerError": ""}


def test_result_of_a_set_is_literal_and_an_increment_is_what_it_was():
    template = a_ruled_template([setting("code", "{note}"), adding("note", 1)])
    state = a_pass({"note": "1{code}"}, literal=())

    outcome = template.run("onScan", state)

    assert outcome.literal == {"code"}
    # The set action did not expand what it made a second time.
    assert outcome.values["code"] == "1"


def test_call_is_handed_out_with_its_values_encoded():
    url = "{rootPath}/api/x.php?clientHash={clientHash}&name={member_name}&to={rootPath}"
    template = a_ruled_template([calling(url)])

    run = template.start("onScan", a_pass(member={"name": "Ann & Bob"}))

    assert run.outcome is None
    assert run.call is not None
    assert run.call.url == (
        "https://w.example/api/x.php?clientHash=h%2C&name=Ann%20%26%20Bob"
        "&to=https%3A%2F%2Fw.example"
    )
    assert run.call.position == 1
    assert run.trace[0]["url"] == "{rootPath}/api/x.php"


def test_value_is_not_encoded_twice():
    template = a_ruled_template([calling("https://x.example/?a={member_name:URLEncoded}")])

    run = template.start("onScan", a_pass(member={"name": "a b"}))

    assert run.call is not None
    assert run.call.url == "https://x.example/?a=a%20b"


def test_run_needs_a_list_without_calls():
    with pytest.raises(CallsOutError):
        a_ruled_template([calling("https://x.example")]).run("onScan", a_pass())


def test_list_without_calls_is_over_at_once():
    run = a_ruled_template([setting("code", 1)]).start("onScan", a_pass())

    assert run.call is None
    assert run.outcome is not None
    assert run.outcome.values == {"code": 1}
    assert a_template().start("onScan", a_pass()).outcome is not None


def test_run_goes_on_after_the_call_with_what_the_called_service_wrote():
    actions = [
        adding(POINTS, 5),
        setting("code", "set"),
        setting("note", "kept"),
        executing("list"),
        setting("logoText", "{code} {note} {flag}"),
    ]
    template = a_ruled_template(actions, list=[calling("https://x.example"), adding(POINTS, 1)])
    run = template.start("onScan", a_pass({POINTS: 10}))

    after = template.resume(kept(run, template), a_pass({POINTS: 100, "code": "api", "flag": True}))

    assert after.outcome is not None
    assert after.outcome.values == {
        POINTS: 106,
        "code": "api",
        "flag": True,
        "note": "kept",
        "logoText": "api kept true",
    }
    assert {"action": "PSActionSetValue", "path": "code"}.items() <= next(
        entry for entry in after.outcome.trace if "reason" in entry
    ).items()


def test_a_set_gives_way_also_to_what_was_written_within_or_around():
    place = [{"latitude": 1, "longitude": 2}]
    template = a_ruled_template(
        [
            setting("structure_headerFields", [{"key": "points", "value": 1}]),
            setting("locations", place),
            calling("https://x.example"),
        ]
    )
    run = template.start("onScan", a_pass())

    after = template.resume(run, a_pass({POINTS: 9}))

    assert after.outcome is not None
    assert after.outcome.values == {POINTS: 9, "locations": place}


def test_each_call_of_a_run_has_a_position_of_its_own():
    template = a_ruled_template(
        [
            setting("code", "one"),
            calling("https://x.example/1"),
            setting("code", "two"),
            calling("https://x.example/{code}"),
            adding(POINTS, 1),
        ]
    )
    state = a_pass()

    first = template.start("onScan", state)
    # The service wrote during the first call, before the second set.
    second = template.resume(kept(first, template), a_pass({"code": "api"}))
    last = template.resume(kept(second, template), a_pass({"code": "api"}))

    assert first.call is not None
    assert second.call is not None
    assert [first.call.position, second.call.position] == [2, 4]
    assert second.call.url == "https://x.example/two"
    assert last.outcome is not None
    assert last.outcome.values == {"code": "two", POINTS: 1}


def test_state_words_and_time_are_those_of_the_beginning():
    template = a_ruled_template(
        [
            calling("https://x.example"),
            {**setting("code", "{timestamp}"), "PSConditions": "!scanned"},
        ]
    )
    state = a_pass()
    run = template.start("onScan", state)

    later = replace(a_pass(happened=["scanned"]), changed_at=state.changed_at.replace(year=2030))
    after = template.resume(kept(run, template), later)

    assert after.outcome is not None
    assert after.outcome.values == {"code": "2026-11-21T00:00:00Z"}


def test_error_that_the_called_service_wrote_stops_the_run():
    template = a_ruled_template(
        [adding(POINTS, 1), calling("https://x.example"), adding(POINTS, 1)]
    )
    run = template.start("onScan", a_pass())
    state = a_pass({"psTriggerError": "Unknown member"})

    after = template.resume(kept(run, template), state)

    assert after.outcome is not None
    assert after.outcome.error == "Unknown member"
    assert after.outcome.values is state.values


def test_run_that_is_over_cannot_go_on():
    template = a_ruled_template([setting("code", 1)])
    run = template.start("onScan", a_pass())

    with pytest.raises(ValueError, match="over"):
        template.resume(run, a_pass())
    with pytest.raises(ValueError, match="over"):
        run.to_json()


def conditional(action: dict[str, Any], text: str) -> dict[str, Any]:
    return {**action, "PSConditions": text}


paths = st.sampled_from(["code", "note", POINTS, "logoText", "structure_headerFields", "list"])
operands = st.sampled_from([1, "x", "{code}{note}", "{" + POINTS + "}", [], None, True])
simple = st.builds(setting, paths, operands) | st.builds(adding, paths, st.integers(-3, 3))
conditions = st.sampled_from(["scanned", "{code} isEmpty", "{" + POINTS + "} > 1", "broken ("])
actions = st.one_of(
    simple,
    st.builds(conditional, simple, conditions),
    st.just(calling("https://x.example/{code}")),
    st.builds(executing, st.sampled_from(["a", "b", "list"])),
)
action_lists = st.lists(actions, max_size=5)
relaxed = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@relaxed
@given(action_lists, action_lists, action_lists)
def test_every_run_ends_and_stopping_for_calls_changes_nothing_when_nobody_writes(
    top: list[Any], first: list[Any], second: list[Any]
):
    template = a_ruled_template(top, a=first, b=orjson.dumps(second).decode())
    silent = [
        [action for action in some if action["action"] != "PSActionURL"]
        for some in (top, first, second)
    ]
    plain = a_ruled_template(silent[0], a=silent[1], b=orjson.dumps(silent[2]).decode())
    state: PassState = a_pass({"code": "own"})
    check_template(a_document(triggers={"onScan": top}, properties={"a": first, "b": second}))

    run = template.start("onScan", state)
    while run.outcome is None:
        run = template.resume(kept(run, template), state)

    expected = plain.run("onScan", state)
    if run.outcome.error is None and expected.error is None:
        assert run.outcome.values == expected.values
