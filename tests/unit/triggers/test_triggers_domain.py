from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.triggers.domain import (
    BIT_OF,
    MEMBER_FACTS,
    SCAN_TEXTS,
    Manner,
    PassFullError,
    PassRecord,
    announcements,
    begin,
    change,
    delete,
    facts_of,
    follow_member,
)
from shared.contracts.member import Member
from shared.contracts.triggers import EventsLogged, PassesChanged, PassesDeleted
from shared.errors import InvalidError
from shared.passes.language.state import PassState
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument

MOMENT = datetime(2026, 11, 21, tzinfo=UTC)
POINTS = "structure_headerFields_points_value"


def an_increment(path: str) -> dict[str, Any]:
    return {"action": "PSActionIncrementValue", "targetPath": path, "amount": 1}


def a_setting(path: str, value: Any) -> dict[str, Any]:
    return {"action": "PSActionSetValue", "targetPath": path, "value": value}


TEMPLATE = compile_template(
    TemplateDocument.model_validate(
        {
            "pass": {
                "storeCard": {"headerFields": [{"key": "points", "value": 0}]},
                "barcodes": [{"format": "PKBarcodeFormatQR"}],
            },
            "properties": {"note": "", "stamps": 0, "psScanText": ""},
            "triggers": {
                "onCreate": an_increment("stamps"),
                "onScan": [an_increment("stamps"), a_setting("psScanText", "{stamps}")],
                "onCheck": a_setting("psScanText", "Checked"),
                "onEdit": a_setting("note", "{member_name}"),
            },
        }
    ),
    name="Card",
    organization="Beans",
)


def a_record(values: dict[str, Any] | None = None) -> PassRecord:
    return PassRecord(
        handle="handle0",
        account_id=UUID(int=1),
        template_id=UUID(int=2),
        serial_number="serial0",
        member_id="ann",
        version=0,
        sequence=0,
        push_version=0,
        own_values=values or {},
        happened=0,
        voided=False,
        created_at=MOMENT,
        updated_at=MOMENT,
    )


def a_begun(values: dict[str, Any] | None = None) -> PassRecord:
    record = a_record(values)
    begin(record, TEMPLATE)
    return record


def shown(record: PassRecord) -> bytes:
    """Whatever makes a new version when it differs, as it is written."""
    facts = {fact: (record.member or {}).get(fact) for fact in MEMBER_FACTS}
    return orjson.dumps(
        [record.own_values, record.voided, facts, bool(record.deleted_at)],
        option=orjson.OPT_SORT_KEYS,
    )


values = st.dictionaries(
    st.sampled_from(["note", "stamps", POINTS, "psScanText", "barcodes_0_message", "nothing"]),
    st.sampled_from([None, 0, 1, True, 1.0, "", "x", "1", "Checked", [1], {"a": 1}]),
    max_size=3,
)
kinds = st.sampled_from(
    ["check", "scan", "install", "register", "push", "remove", "edit", "update", "void", "unvoid"]
)
facts = st.none() | st.fixed_dictionaries(
    {"name": st.sampled_from([None, "Ann", "Bob"]), "points": st.integers(0, 1)},
)
happenings = st.lists(st.tuples(kinds, values) | st.tuples(st.just("member"), facts), max_size=12)


@settings(max_examples=200, deadline=None)
@given(happenings)
def test_version_and_sequence_tell_exactly_what_happened(happenings: list[tuple[str, Any]]):
    record = a_begun()
    for number, (kind, given_values) in enumerate(happenings):
        before = shown(record)
        version, sequence, happened = record.version, record.sequence, record.happened
        at = MOMENT + timedelta(seconds=number)

        try:
            if kind == "member":
                follow_member(record, given_values, TEMPLATE, at)
            else:
                change(record, kind, given_values, TEMPLATE, at)  # pyright: ignore[reportArgumentType]
        except InvalidError:
            assert (shown(record), record.sequence, record.happened) == (before, sequence, happened)

        is_new = shown(record) != before or record.happened != happened or kind == "push"
        assert record.version == version + is_new
        assert record.sequence >= sequence + is_new
        assert record.sequence == len(record.events)
    assert [event.sequence for event in record.events] == list(range(1, record.sequence + 1))
    versions = [event.version for event in record.events]
    assert versions == sorted(versions)
    assert versions[-1] == record.version
    assert record.push_version == (record.version if record.version > 1 else 0)
    accepted = [event.kind for event in record.events if "refused" not in event.data]
    assert record.first == list(dict.fromkeys(accepted))
    assert record.happened == sum(BIT_OF[kind] for kind in record.first)


@pytest.mark.parametrize("kind", ["check", "scan", "register", "edit"])
def test_events_of_people_are_always_logged(kind: Any):
    record = a_begun({"psScanText": "Checked"})

    reports = [change(record, kind, {}, TEMPLATE, MOMENT) for _ in range(3)]

    assert [report.sequence for report in reports] == [2, 3, 4]


def test_update_is_reported_unless_only_scan_texts_changed():
    record = a_begun()

    reports = [
        change(record, "update", {path: "new"}, TEMPLATE, MOMENT)
        for path in (*sorted(SCAN_TEXTS & TEMPLATE.leaves.keys()), "note")
    ]

    assert [report.updated for report in reports] == [False, True]


def test_time_of_a_pass_never_goes_back():
    record = a_begun()
    change(record, "scan", {}, TEMPLATE, MOMENT + timedelta(minutes=1))

    change(record, "scan", {}, TEMPLATE, MOMENT)

    assert record.updated_at == MOMENT + timedelta(minutes=1)


def test_container_takes_the_place_of_what_was_set_within_it():
    record = a_begun({POINTS: 5})

    change(
        record,
        "update",
        {"structure_headerFields_points": {"label": "P", "value": 8}},
        TEMPLATE,
        MOMENT,
    )

    assert POINTS not in record.own_values
    assert record.events[-1].data["changes"][POINTS] == [5, None]


def test_values_given_bit_by_bit_find_no_more_room_than_all_at_once():
    paths = [f"text{number}" for number in range(8)]
    roomy = compile_template(
        TemplateDocument.model_validate(
            {"pass": {"generic": {}}, "properties": dict.fromkeys(paths, "")}
        ),
        name="Card",
        organization="Beans",
    )
    record = a_begun()
    for path in paths[:4]:
        change(record, "update", {path: "x" * 15_000}, roomy, MOMENT)
    before = shown(record)

    with pytest.raises(PassFullError):
        change(record, "update", {paths[4]: "x" * 15_000}, roomy, MOMENT)

    assert (shown(record), record.sequence) == (before, 5)


def test_deletion_leaves_neither_values_nor_facts():
    record = a_begun({"note": "private"})
    follow_member(record, {"name": "Ann"}, TEMPLATE, MOMENT)

    delete(record, MOMENT)

    assert (record.own_values, record.member, record.deleted_at) == ({}, None, MOMENT)
    assert record.events[-1].data == {}


def test_nothing_is_told_of_a_pass_to_which_nothing_happened():
    assert list(announcements([a_record()])) == []


def test_deleted_pass_is_announced_as_gone_and_not_as_changed():
    living, gone = a_begun(), a_begun()
    delete(gone, MOMENT)

    changed, deleted, logged = announcements([living, gone])

    assert isinstance(changed, PassesChanged)
    assert isinstance(deleted, PassesDeleted)
    assert isinstance(logged, EventsLogged)
    assert (changed.passes[0].version, deleted.passes[0].version) == (1, 2)
    assert [event.kind for event in logged.events] == ["create", "create", "delete"]


def test_passes_may_show_five_facts_of_a_member_and_none_of_a_deleted_one():
    member = Member(
        account_id=UUID(int=1),
        member_id="ann",
        version=1,
        name="Ann",
        phone="42",
        created_at=MOMENT,
        updated_at=MOMENT,
    )

    assert facts_of(member) == {
        "name": "Ann",
        "email": None,
        "points": 0,
        "tier": None,
        "external_id": None,
    }
    assert facts_of(member.model_copy(update={"deleted": True})) is None


@pytest.mark.parametrize(
    ("kind", "given"), [("scan", {}), ("void", {}), ("push", {}), ("update", {"psScanText": "x"})]
)
def test_values_of_former_paths_move_with_the_next_event(kind: Any, given: dict[str, Any]):
    document: dict[str, Any] = {
        "pass": {"storeCard": {}},
        "properties": {"name": "", "psPathMigrations": {"nick": "name"}},
    }
    moved = compile_template(
        TemplateDocument.model_validate(document), name="Card", organization="Beans"
    )
    record = a_begun({"nick": "{clientHash}"})
    record.literal = ["nick"]

    nothing = change(record, "update", {}, moved, MOMENT)
    assert (nothing.sequence, "nick" in record.own_values) == (1, True)

    reported = change(record, kind, given, moved, MOMENT)

    assert record.own_values["name"] == "{clientHash}"
    assert "name" in record.literal
    assert "nick" not in record.own_values
    assert reported.values_changed == bool(given)
    changes = record.events[-1].data["changes"]
    assert (changes["nick"], changes["name"]) == (["{clientHash}", None], [None, "{clientHash}"])

    change(record, "update", {"name": None}, moved, MOMENT)
    assert not {"name", "nick"} & record.own_values.keys()


def a_refresh(record: PassRecord, seconds: float) -> int:
    """Pull a pass to refresh it; the number of events that it then has."""
    at = MOMENT + timedelta(seconds=seconds)
    return change(record, "device_update", {}, TEMPLATE, at).sequence


def test_manual_update_within_thirty_seconds_of_one_that_counted_is_ignored():
    record = a_begun()

    sequences = [a_refresh(record, seconds) for seconds in (0, 29.9, 30, 59.9, 60)]

    assert sequences == [2, 2, 3, 3, 4]
    assert [event.kind for event in record.events[1:]] == ["device_update"] * 3


@pytest.mark.parametrize("kind", ["install", "push", "void", "scan"])
def test_manual_update_right_after_something_else_counts(kind: Any):
    record = a_begun()
    change(record, kind, {}, TEMPLATE, MOMENT)

    assert a_refresh(record, 1) == 3


def test_manual_update_that_is_ignored_changes_nothing():
    record = a_begun()
    a_refresh(record, 5)
    version = record.version

    report = change(record, "device_update", {}, TEMPLATE, MOMENT + timedelta(seconds=34))

    assert (report.version, report.sequence) == (version, 2)
    assert (report.updated, report.values_changed) == (False, False)


def test_other_events_of_devices_are_never_ignored():
    record = a_begun()

    for kind in ("install", "remove", "install", "remove"):
        change(record, kind, {}, TEMPLATE, MOMENT)

    assert record.sequence == 5


LOOPY = compile_template(
    TemplateDocument.model_validate(
        {
            "pass": {"storeCard": {"backFields": [{"key": "a", "value": "See {first}"}]}},
            "properties": {
                "first": "{second}",
                "second": {"value": "", "editable": True},
                "third": "{third}",
                "list": [],
                "psScanText": "",
            },
            "triggers": {"onScan": a_setting("psScanText", "Hi")},
        }
    ),
    name="Card",
    organization="Beans",
)


def warnings_of(record: PassRecord) -> list[Any]:
    return [event.data.get("warnings") for event in record.events]


def test_text_that_loops_only_on_this_pass_is_told_by_the_event_that_made_it():
    record = a_record()
    begin(record, LOOPY)

    change(record, "update", {"second": "{first}"}, LOOPY, MOMENT)
    change(record, "scan", {}, LOOPY, MOMENT)
    change(record, "update", {"first": "plain"}, LOOPY, MOMENT)
    change(record, "update", {"first": None}, LOOPY, MOMENT)

    loop = [f"{{{path}}} leads back to itself and stays text" for path in ("first", "second")]
    assert warnings_of(record) == [None, loop, None, None, loop]


def test_pass_that_is_created_with_a_loop_is_told_so():
    record = a_record({"second": "{first}"})

    begin(record, LOOPY)

    (warnings,) = warnings_of(record)
    assert len(warnings) == 2


def test_loop_of_the_template_is_no_news_on_a_pass():
    record = a_record({"second": "{psScanText}"})
    begin(record, LOOPY)

    change(record, "scan", {}, LOOPY, MOMENT)

    assert LOOPY.find_loops(record.state()) == ("third",)
    assert warnings_of(record) == [None, None]


def test_brackets_that_a_user_typed_make_no_loop():
    record = a_record()
    begin(record, LOOPY)

    change(record, "update", {"second": "{first}"}, LOOPY, MOMENT, manner=Manner(trusted=False))

    assert (record.own_values["second"], warnings_of(record)) == ("{first}", [None, None])


def test_plain_values_are_not_looked_through_for_loops(monkeypatch: pytest.MonkeyPatch):
    looked: list[PassState] = []

    def look(_template: CompiledTemplate, state: PassState) -> tuple[str, ...]:
        looked.append(state)
        return ()

    monkeypatch.setattr(CompiledTemplate, "find_loops", look)
    record = a_record({"second": "plain"})

    begin(record, LOOPY)
    change(record, "scan", {}, LOOPY, MOMENT)
    change(record, "update", {"first": "x", "list": [{"y": "z"}]}, LOOPY, MOMENT)

    assert (len(record.events), looked) == (3, [])


DATE = MOMENT + timedelta(days=1)
CARD: dict[str, Any] = {
    "pass": {"storeCard": {}},
    "properties": {"stamps": 0, "psScanText": "", "psScanColor": "{PSColorGreen}"},
    "triggers": {
        "onScan": [an_increment("stamps"), a_setting("psScanText", "Welcome")],
        "onCheck": [an_increment("stamps"), a_setting("psScanText", "Welcome")],
    },
}
CARD_TEMPLATE, LENIENT_TEMPLATE = (
    compile_template(
        TemplateDocument.model_validate({**CARD, "scan_when_void": scan_when_void}),
        name="Card",
        organization="Beans",
    )
    for scan_when_void in (False, True)
)


def an_invalid_card(reason: str, compiled: CompiledTemplate) -> PassRecord:
    """Make a pass that is voided, or whose date has passed a second ago."""
    record = a_record({"expirationDate": DATE.isoformat()})
    begin(record, compiled)
    if reason == "voided":
        change(record, "void", {}, compiled, MOMENT)
    return record


@pytest.mark.parametrize("kind", ["scan", "check"])
@pytest.mark.parametrize(("reason", "text"), [("voided", "Voided"), ("expired", "Expired")])
def test_scan_of_a_pass_that_is_not_valid_is_refused_and_changes_nothing(
    kind: Any, reason: str, text: str
):
    record = an_invalid_card(reason, CARD_TEMPLATE)
    values, version, happened = record.own_values, record.version, record.happened
    at = DATE if reason == "expired" else DATE - timedelta(seconds=1)

    report = change(record, kind, {}, CARD_TEMPLATE, at)

    assert report.refused == reason
    assert (report.voided, report.expired) == (reason == "voided", reason == "expired")
    assert (report.scan_text, report.scan_color) == (text, "rgb(187,49,58)")
    assert not report.updated
    assert (record.own_values, record.version, record.happened) == (values, version, happened)
    assert (record.events[-1].kind, record.events[-1].data) == (kind, {"refused": reason})
    assert report.sequence == record.sequence


def test_pass_that_is_both_is_told_as_voided():
    record = an_invalid_card("voided", CARD_TEMPLATE)

    report = change(record, "scan", {}, CARD_TEMPLATE, DATE)

    assert (report.refused, report.scan_text) == ("voided", "Voided")
    assert (report.voided, report.expired) == (True, True)


def test_scan_is_let_in_until_the_date_and_after_another_one_is_set():
    record = an_invalid_card("expired", CARD_TEMPLATE)

    before, at, later = DATE - timedelta(seconds=1), DATE, DATE + timedelta(days=1)
    reports = [change(record, "scan", {}, CARD_TEMPLATE, moment) for moment in (before, at)]
    change(record, "update", {"expirationDate": later.isoformat()}, CARD_TEMPLATE, at)
    reports.append(change(record, "scan", {}, CARD_TEMPLATE, at))

    assert [report.refused for report in reports] == [None, "expired", None]
    assert record.own_values["stamps"] == 2


def test_coupon_that_its_own_scan_ends_is_let_in_once():
    once = compile_template(
        TemplateDocument.model_validate(
            {**CARD, "triggers": {"onScan": a_setting("expirationDate", "{timestamp}")}}
        ),
        name="Coupon",
        organization="Beans",
    )
    record = a_record()
    begin(record, once)

    first, second = (change(record, "scan", {}, once, MOMENT) for _ in range(2))

    assert (first.refused, first.expired) == (None, False)
    assert (second.refused, second.expired) == ("expired", True)


@pytest.mark.parametrize("reason", ["voided", "expired"])
def test_template_may_let_rules_run_on_what_is_not_valid(reason: str):
    record = an_invalid_card(reason, LENIENT_TEMPLATE)

    report = change(record, "scan", {}, LENIENT_TEMPLATE, DATE)

    assert (report.refused, report.scan_text, report.expired) == (None, "Welcome", True)
    assert report.voided == (reason == "voided")
    assert record.own_values["stamps"] == 1
    assert record.has("scan")


@pytest.mark.parametrize("kind", ["register", "edit", "install", "update", "push"])
def test_only_scans_and_checks_are_refused(kind: Any):
    record = an_invalid_card("voided", CARD_TEMPLATE)

    report = change(record, kind, {"stamps": 5}, CARD_TEMPLATE, DATE)

    assert (report.refused, report.voided, report.expired) == (None, True, True)
    assert record.events[-1].kind == kind


def test_a_state_is_made_once_for_each_change():
    record = a_record({"a": 1})
    first = record.state()

    assert record.state() is first
    record.own_values = {"a": 2}
    changed = record.state()
    record.happened |= BIT_OF["scan"]
    scanned = record.state()

    assert (changed.values, changed.happened) == ({"a": 2}, frozenset())
    assert scanned.happened == {"scanned"}
    assert record.state(MOMENT + timedelta(hours=1)).changed_at == MOMENT + timedelta(hours=1)
    record.literal = ["a"]
    assert record.state().literal == {"a"}
    record.voided = True
    assert record.state().voided
