"""What an event feed says is enough to rebuild every pass's own values."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.triggers.domain import (
    Manner,
    PassRecord,
    begin,
    change,
    delete,
    forget,
    forget_trigger_error,
)
from shared.contracts.triggers import LoggedEvent
from shared.errors import InvalidError
from shared.passes.template.compiled import compile_template
from shared.passes.template.document import TemplateDocument
from tests.unit.triggers.test_triggers_domain import MOMENT, a_record

DOCUMENT: dict[str, Any] = {
    "pass": {"storeCard": {"backFields": [{"key": "news", "value": "Nothing new"}]}},
    "properties": {
        "note": {"value": "", "editable": True},
        "former": "",
        "stamps": 0,
        "hidden": "x",
    },
    "triggers": {
        "onCreate": {"action": "PSActionIncrementValue", "targetPath": "stamps", "amount": 1},
        "onInstall": {"action": "PSActionSetValue", "targetPath": "note", "value": "{stamps}"},
        "onScan": {"action": "PSActionSetValue", "targetPath": "hidden", "value": None},
        "onEdit": {"action": "PSActionSetValue", "targetPath": "psTriggerError", "value": "No"},
    },
}
NEWS = "structure_backFields_news_value"


def a_revision(**properties: Any) -> Any:
    document = {**DOCUMENT, "properties": {**DOCUMENT["properties"], **properties}}
    return compile_template(
        TemplateDocument.model_validate(document), name="Card", organization="Beans"
    )


REVISIONS = [a_revision(), a_revision(psPathMigrations={"former": "note"})]


def rebuilt(events: Iterable[LoggedEvent]) -> dict[str, Any]:
    """Follow the feed as a consumer does."""
    values: dict[str, Any] = {}
    for event in events:
        if event.kind in ("create", "delete"):
            values = dict(event.data.get("values", {}))
        for path, (before, after) in event.data.get("changes", {}).items():
            assert values.get(path) == before
            if after is None and path not in event.data.get("nulls", []):
                values.pop(path)
            else:
                values[path] = after
    return values


texts = st.sampled_from([None, "", "a", "b", 1])
values = st.dictionaries(
    st.sampled_from(["note", "former", "stamps", "hidden", NEWS, "psTriggerError"]), texts
)
kinds = st.sampled_from(
    ["scan", "check", "install", "edit", "update", "update", "void", "unvoid", "push", "forget",
     "run", "replace"]
)  # fmt: skip
happenings = st.lists(st.tuples(kinds, values, st.sampled_from(REVISIONS)), max_size=12)


@settings(max_examples=300, deadline=None)
@given(values, happenings)
def test_own_values_can_be_rebuilt_from_the_feed(
    first: dict[str, Any], happenings: list[tuple[str, dict[str, Any], Any]]
):
    record = a_record({path: value for path, value in first.items() if value is not None})
    begin(record, REVISIONS[0])
    for number, (kind, given_values, compiled) in enumerate(happenings):
        happen(record, kind, given_values, compiled, number)
        assert rebuilt(record.events) == record.own_values

    delete(record, MOMENT)

    assert rebuilt(record.events) == {}


def happen(
    record: PassRecord, kind: Any, values: dict[str, Any], compiled: Any, number: int
) -> None:
    at = MOMENT + timedelta(minutes=number)
    if kind == "forget":
        forget(record, list(values), compiled, at)
        return
    if kind == "run":
        forget_trigger_error(record, at)
        return
    manner = Manner(replace_all=kind == "replace")
    try:
        change(record, "update" if kind == "replace" else kind, values, compiled, at, manner=manner)
    except InvalidError:
        return


def test_a_value_that_is_null_is_told_from_one_that_is_gone():
    record = a_record({"note": "x"})
    begin(record, REVISIONS[0])
    version = record.version

    change(record, "scan", {}, REVISIONS[0], MOMENT)

    assert record.own_values["hidden"] is None
    assert record.events[-1].data["changes"] == {"hidden": [None, None]}
    assert record.events[-1].data["nulls"] == ["hidden"]
    assert record.version == version + 1


def test_values_of_a_creation_are_those_after_its_rules():
    record = a_record({"note": "x"})
    plain = a_record()

    begin(record, REVISIONS[0])
    begin(plain, compile_template(
        TemplateDocument.model_validate({"pass": {"storeCard": {}}}), name="C", organization="B"
    ))  # fmt: skip

    assert record.events[0].data["values"] == {"note": "x", "stamps": 1}
    assert "values" not in plain.events[0].data
