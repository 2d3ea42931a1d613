"""When a pass expires, and that it does so once for each date."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.triggers.domain import PassRecord, begin, change, expire, follow_member
from shared.passes.template.compiled import CompiledTemplate, compile_template
from shared.passes.template.document import TemplateDocument
from shared.passes.template.expiry import dates_passes
from tests.unit.triggers.test_triggers_domain import MOMENT, a_record

SOON = "2026-11-22T00:00:00Z"
LATER = "2026-12-24T18:00+01:00"


def a_template(
    expiration: Any = None, *, void_when_expired: bool = False, **properties: Any
) -> CompiledTemplate:
    pass_: dict[str, Any] = {"storeCard": {}}
    if expiration is not None:
        pass_["expirationDate"] = expiration
    document = TemplateDocument.model_validate(
        {"pass": pass_, "properties": properties, "void_when_expired": void_when_expired}
    )
    return compile_template(document, name="Card", organization="Beans")


def a_begun(compiled: CompiledTemplate, values: dict[str, Any] | None = None) -> PassRecord:
    record = a_record(values)
    begin(record, compiled)
    return record


def expirations(record: PassRecord) -> list[str]:
    return [e.data["expiration_date"] for e in record.events if e.kind == "expire"]


@pytest.mark.parametrize(
    ("expiration", "properties", "own", "expected"),
    [
        (None, {}, {}, None),
        (SOON, {}, {}, SOON),
        ({"value": SOON, "editable": True}, {}, {}, SOON),
        (SOON, {}, {"expirationDate": LATER}, LATER),
        (None, {}, {"expirationDate": LATER}, LATER),
        ("{season}", {"season": SOON}, {}, SOON),
        ("{season}", {"season": SOON}, {"season": LATER}, LATER),
        ("{season}", {"season": "soon"}, {}, None),
        (SOON, {}, {"expirationDate": None}, None),
        (SOON, {"psPathMigrations": {"until": "expirationDate"}}, {"until": LATER}, LATER),
        (None, {}, {"expirationDate": "0001-01-01T00:00+14:00"}, None),
    ],
)
def test_date_of_a_pass_is_the_one_that_is_composed(
    expiration: Any, properties: dict[str, Any], own: dict[str, Any], expected: str | None
):
    record = a_begun(a_template(expiration, **properties), own)

    assert record.expires_at == (expected and datetime.fromisoformat(expected))


def test_pass_expires_once_for_its_date_and_again_for_a_later_one():
    compiled = a_template(SOON)
    record = a_begun(compiled)
    version = record.version
    after = MOMENT + timedelta(days=2)

    expire(record, compiled, MOMENT)
    expire(record, compiled, after)
    expire(record, compiled, after)
    change(record, "update", {"expirationDate": LATER}, compiled, after)
    expire(record, compiled, after)
    expire(record, compiled, MOMENT + timedelta(days=60))

    dates = [datetime.fromisoformat(text) for text in (SOON, LATER)]
    assert expirations(record) == [date.astimezone(UTC).isoformat() for date in dates]
    assert record.version == record.push_version == version + 3


def test_a_date_voids_a_pass_where_its_template_says_so_and_a_later_one_makes_it_valid():
    compiled = a_template(SOON, void_when_expired=True)
    record = a_begun(compiled)
    after = MOMENT + timedelta(days=2)

    expire(record, compiled, after)
    was_void = record.voided
    change(record, "update", {"expirationDate": LATER}, compiled, after)

    assert (was_void, record.voided) == (True, False)
    assert [(e.kind, e.data.get("cause")) for e in record.events] == [
        ("create", None),
        ("expire", None),
        ("void", "expiration"),
        ("update", None),
        ("unvoid", "expiration"),
    ]


def test_a_later_date_leaves_a_pass_void_that_somebody_voided():
    compiled = a_template(SOON, void_when_expired=True)
    after = MOMENT + timedelta(days=2)
    before_its_date, after_it = a_begun(compiled), a_begun(compiled)

    change(before_its_date, "void", {}, compiled, MOMENT)
    for record in (before_its_date, after_it):
        expire(record, compiled, after)
    change(after_it, "void", {}, compiled, after)
    for record in (before_its_date, after_it):
        change(record, "update", {"expirationDate": LATER}, compiled, after)

    assert before_its_date.voided
    assert after_it.voided


def test_a_pass_that_was_made_valid_by_hand_after_its_date_stays_so():
    compiled = a_template(SOON, void_when_expired=True)
    record = a_begun(compiled)
    after = MOMENT + timedelta(days=2)

    expire(record, compiled, after)
    change(record, "unvoid", {}, compiled, after)
    expire(record, compiled, after)

    assert not record.voided


def test_change_that_leaves_the_date_lets_nothing_expire_again():
    compiled = a_template(SOON, note="")
    record = a_begun(compiled)
    after = MOMENT + timedelta(days=2)

    expire(record, compiled, after)
    change(record, "update", {"note": "x"}, compiled, after)
    expire(record, compiled, after)

    assert len(expirations(record)) == 1


def test_date_that_a_member_gives_follows_the_member():
    compiled = a_template("{member_external_id}")
    record = a_begun(compiled)

    follow_member(record, {"external_id": LATER}, compiled, MOMENT)

    assert record.expires_at == datetime.fromisoformat(LATER)


def test_revisions_are_compared_by_what_dates_passes():
    def of(expiration: Any, **rest: Any) -> Any:
        return dates_passes({"pass": {"expirationDate": expiration}, **rest})

    moves = {"psPathMigrations": {"until": "expirationDate"}}
    assert of(SOON) == of({"value": SOON, "editable": True}) == of(SOON, triggers={"onScan": []})
    assert of(SOON) != of(LATER)
    assert of(SOON) != dates_passes({"pass": {}})
    assert of(SOON) != of(SOON, properties=moves)
    assert of("{x}", properties={"x": SOON}) != of("{x}", properties={"x": LATER})
