"""Issuing passes and what may happen to them, in the words of /v1."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest_asyncio

from shared.contracts.member import ReadMember
from shared.contracts.notifier import (
    Attempt,
    ContentNotice,
    Delivery,
    GooglePassState,
    PassNotices,
    ReadGoogleState,
    ReadNotices,
)
from shared.contracts.triggers import (
    ChangePass,
    Counts,
    CreatePass,
    EventPage,
    ListPasses,
    LoggedEvent,
    PassPage,
    ReadCounts,
    ReadPass,
    ReadTimeline,
)
from shared.errors import GoneError, InternalError, NotFoundError, UnavailableError
from shared.identifiers import new_id
from tests.integration.gateway.conftest import PUBLIC_URL, AnAccount, Gateway
from tests.integration.gateway.owners import Owners, a_member
from tests.integration.gateway.samples import make_template

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
POINTS = "structure_headerFields_points_value"


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture
async def template_id(an_account: AnAccount) -> str:
    return await make_template(an_account)


async def issue(account: AnAccount, template_id: str, **fields: Any) -> str:
    answer = await account.call("POST", "/v1/passes", {"template_id": template_id, **fields})
    assert answer.status == 201, answer.content
    return answer.json["handle"]


async def test_issued_pass_has_an_address(an_account: AnAccount, template_id: str, owners: Owners):
    answer = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "values": {POINTS: 3}}
    )

    (command,) = owners.asked_for(CreatePass)
    url = f"{PUBLIC_URL}/p/{command.handle}"
    assert answer.status == 201
    assert answer.headers["location"] == f"/v1/passes/{command.handle}"
    assert answer.json == {
        "handle": command.handle,
        "version": 1,
        "url": url,
        "download_url": f"{url}.pkpass",
        "google": None,
    }
    assert command.account_id == an_account.account_id
    assert (command.template_revision, command.values) == (1, {POINTS: 3})
    assert owners.lanes_of(CreatePass) == {"interactive"}


async def test_pass_of_a_member_carries_the_member(
    an_account: AnAccount, template_id: str, owners: Owners
):
    ann = a_member(an_account.account_id, "ann", name="Ann", points=9)
    owners.members[an_account.account_id, "ann"] = ann

    await issue(an_account, template_id, member_id="ann")

    assert owners.asked_for(CreatePass)[0].member == ann


async def test_unknown_member_is_a_fault_of_the_body(
    an_account: AnAccount, template_id: str, owners: Owners
):
    answer = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "member_id": "nobody"}
    )

    assert (answer.status, answer.code) == (422, "member_unknown")
    assert list(answer.faults) == ["/member_id"]
    assert not owners.asked_for(CreatePass)


async def test_template_of_another_account_is_a_fault_of_the_body(
    another_account: AnAccount, template_id: str, owners: Owners
):
    answer = await another_account.call("POST", "/v1/passes", {"template_id": template_id})

    assert (answer.status, answer.code) == (422, "template_unknown")
    assert list(answer.faults) == ["/template_id"]
    assert not owners.asked


async def test_unfit_value_is_pointed_at(an_account: AnAccount, template_id: str, owners: Owners):
    answer = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "values": {"unknown/~x": 1}}
    )

    assert answer.status == 422
    assert answer.faults == {"/values/unknown~1~0x": "the template has no such path"}


async def test_same_key_issues_one_pass(an_account: AnAccount, template_id: str, owners: Owners):
    body = {"template_id": template_id, "values": {POINTS: 1}}

    first = await an_account.call("POST", "/v1/passes", body, key="once")
    again = await an_account.call("POST", "/v1/passes", body, key="once")

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status, again.json) == (first.status, first.json)
    assert len(owners.passes) == 1


async def test_key_cannot_name_two_requests(
    an_account: AnAccount, template_id: str, owners: Owners
):
    await an_account.call("POST", "/v1/passes", {"template_id": template_id}, key="two")
    other = {"template_id": template_id, "values": {POINTS: 2}}
    answer = await an_account.call("POST", "/v1/passes", other, key="two")

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_rows_are_answered_in_order_with_the_failed_ones(
    an_account: AnAccount, template_id: str, owners: Owners
):
    account_id = an_account.account_id
    owners.members[account_id, "ann"] = a_member(account_id, "ann")
    rows: list[dict[str, Any]] = [{"values": {POINTS: number}} for number in range(250)]
    rows[3] = {"values": {"unknown": 1, POINTS: 2}}
    rows[100] = {"member_id": "nobody"}
    rows[101] = {"member_id": "ann"}

    answer = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "passes": rows}
    )

    outcomes = answer.json["passes"]
    assert answer.status == 201
    assert len(outcomes) == 250
    assert [index for index, row in enumerate(outcomes) if "error" in row] == [3, 100]
    assert outcomes[3]["error"]["errors"] == [
        {"pointer": "/passes/3/values/unknown", "detail": "the template has no such path"}
    ]
    assert outcomes[100]["error"]["code"] == "member_unknown"
    assert outcomes[100]["error"]["errors"][0]["pointer"] == "/passes/100/member_id"
    issued = [owners.passes[row["handle"]] for row in outcomes if "handle" in row]
    numbers = [found.values.get(POINTS) for found in issued]
    assert numbers == [*range(3), *range(4, 100), None, *range(102, 250)]
    assert outcomes[0]["url"] == f"{PUBLIC_URL}/p/{outcomes[0]['handle']}"
    assert owners.lanes_of(CreatePass) == owners.lanes_of(ReadMember) == {"bulk"}
    assert len(owners.asked_for(ReadMember)) == 2


async def test_repeated_rows_keep_their_passes(
    an_account: AnAccount, template_id: str, owners: Owners
):
    body: dict[str, Any] = {
        "template_id": template_id,
        "passes": [{}, {"values": {"unknown": 1}}, {}],
    }

    first = await an_account.call("POST", "/v1/passes", body, key="rows")
    again = await an_account.call("POST", "/v1/passes", body, key="rows")

    assert again.json == first.json
    assert again.headers["idempotent-replayed"] == "true"
    assert len(owners.passes) == 2
    ids = [command.command_id for command in owners.asked_for(CreatePass)]
    assert ids[:3] == ids[3:]
    assert len(set(ids)) == 3


async def test_row_that_fails_on_our_side_is_told_so(
    an_account: AnAccount, template_id: str, owners: Owners
):
    owners.answer(CreatePass, lambda _: InternalError())
    body: dict[str, Any] = {"template_id": template_id, "passes": [{}]}

    answer = await an_account.call("POST", "/v1/passes", body)

    assert answer.status == 201
    assert answer.json["passes"][0]["error"]["status"] == 500


async def test_all_rows_wait_when_the_owner_is_away(
    an_account: AnAccount, template_id: str, owners: Owners
):
    owners.answer(CreatePass, lambda _: UnavailableError())
    body: dict[str, Any] = {"template_id": template_id, "passes": [{}, {}]}

    answer = await an_account.call("POST", "/v1/passes", body)

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


async def test_malformed_bodies_are_pointed_at(
    an_account: AnAccount, template_id: str, owners: Owners
):
    many: list[dict[str, Any]] = [{"values": {}}, {}, {}, {"values": [1]}]
    bodies: dict[str, dict[str, Any]] = {
        "/passes/3/values": {"template_id": template_id, "passes": many},
        "/template_id": {"template_id": "coffee"},
        "/passes": {"template_id": template_id, "passes": [{}] * 501},
        "/values": {"template_id": template_id, "passes": [{}], "values": {"a": 1}},
        "/member_id": {"template_id": template_id, "passes": [{}], "member_id": "ann"},
        "/colour": {"template_id": template_id, "colour": "red"},
    }
    for pointer, body in bodies.items():
        answer = await an_account.call("POST", "/v1/passes", body)
        assert (answer.status, list(answer.faults)) == (422, [pointer])
    assert not owners.asked


async def test_body_has_an_end(an_account: AnAccount):
    headers = {"X-API-Key": an_account.key, "Content-Type": "application/json"}
    body = io.BytesIO(b" " * (4 * 1024 * 1024 + 1))

    http = an_account.gateway.http
    async with http.post("/v1/passes", data=body, headers=headers) as response:
        problem = await response.json(content_type=None)

    assert (response.status, problem["code"]) == (413, "too_large")


async def test_state_of_a_pass_is_read(an_account: AnAccount, template_id: str, owners: Owners):
    handle = await issue(an_account, template_id, values={POINTS: 5})

    answer = await an_account.call("GET", f"/v1/passes/{handle}")

    known = owners.passes[handle]
    state = answer.json
    assert datetime.fromisoformat(state.pop("created_at")) == known.created_at
    assert datetime.fromisoformat(state.pop("updated_at")) == known.updated_at
    assert state.pop("wallets").keys() == {"apple", "google"}
    assert state == {
        "handle": handle,
        "template_id": template_id,
        "serial_number": known.serial_number,
        "member_id": None,
        "version": 1,
        "values": {POINTS: 5},
        "voided": False,
        "expires_at": None,
        "expired": False,
        "registered": False,
        "scanned": False,
        "installed": False,
        "devices": 0,
        "style_id": None,
        "style_group_id": None,
        "url": f"{PUBLIC_URL}/p/{handle}",
        "download_url": f"{PUBLIC_URL}/p/{handle}.pkpass",
    }


async def test_pass_of_another_account_is_not_there(
    an_account: AnAccount, another_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id)

    nothing: dict[str, Any] = {"values": {}}
    for method, path, body in [
        ("GET", "", None),
        ("PATCH", "", nothing),
        ("DELETE", "", None),
        ("POST", "/scan", None),
        ("POST", "/edit", nothing),
    ]:
        answer = await another_account.call(method, f"/v1/passes/{handle}{path}", body)
        assert answer.status == 404


async def test_passes_are_listed_in_pages(an_account: AnAccount, template_id: str, owners: Owners):
    for _ in range(3):
        await issue(an_account, template_id)
    passes = list(owners.passes.values())

    def page(query: ListPasses) -> PassPage:
        rest = passes[query.after :]
        shown = rest[: query.limit]
        return PassPage(passes=shown, more=len(rest) > query.limit, last=query.after + len(shown))

    owners.answer(ListPasses, page)
    address = f"/v1/passes?limit=2&template_id={template_id}&member_id=ann"
    first = await an_account.call("GET", address)
    second = await an_account.call("GET", f"{address}&cursor={first.json['next_cursor']}")

    handles = [found["handle"] for found in first.json["data"] + second.json["data"]]
    assert handles == [found.handle for found in passes]
    assert second.json["next_cursor"] is None
    asked = owners.asked_for(ListPasses)[0]
    assert (asked.template_id, asked.member_id) == (UUID(template_id), "ann")
    strange = await an_account.call("GET", "/v1/passes?cursor=coffee")
    assert (strange.status, strange.code) == (422, "invalid_cursor")


async def test_moved_values_are_read_under_todays_paths(
    an_account: AnAccount, template_id: str, owners: Owners
):
    other = await make_template(an_account)
    handles = [
        await issue(an_account, template_id, values={"old": "mine", "kept": 1}),
        await issue(an_account, template_id, values={"old": "mine", "new": "set"}),
        await issue(an_account, template_id),
        await issue(an_account, other, values={"old": "there"}),
    ]
    owners.answer(
        ListPasses,
        lambda _: PassPage(passes=[owners.passes[handle] for handle in handles], more=False),
    )
    before = (await an_account.call("GET", f"/v1/passes/{handles[0]}")).json["values"]
    present = (await an_account.call("GET", f"/v1/templates/{template_id}")).json
    moved = {"new": "", "kept": 0, "psPathMigrations": {"old": "new", "kept": "nowhere"}}
    revised = await an_account.call(
        "PUT",
        f"/v1/templates/{template_id}",
        {"name": "Card", "pass": present["pass"], "properties": moved},
    )
    assert revised.status == 200, revised.content

    read = [(await an_account.call("GET", f"/v1/passes/{h}")).json["values"] for h in handles]
    listed = (await an_account.call("GET", "/v1/passes")).json["data"]

    assert before == {"old": "mine", "kept": 1}
    assert read == [{"new": "mine", "kept": 1}, {"new": "set"}, {}, {"old": "there"}]
    assert [found["values"] for found in listed] == read


async def test_passes_are_read_while_their_template_is_being_deleted(
    an_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id, values={"note": "mine"})
    await an_account.call("DELETE", f"/v1/templates/{template_id}")

    answer = await an_account.call("GET", f"/v1/passes/{handle}")

    assert (answer.status, answer.json["values"]) == (200, {"note": "mine"})


async def test_values_are_changed_and_taken_away(
    an_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id, values={"a": 1, "b": 2})

    answer = await an_account.call(
        "PATCH", f"/v1/passes/{handle}", {"values": {"a": None, "b": 3}}, key="patch"
    )
    again = await an_account.call(
        "PATCH", f"/v1/passes/{handle}", {"values": {"a": None, "b": 3}}, key="patch"
    )

    assert (answer.status, answer.json["version"], answer.json["updated"]) == (200, 2, True)
    assert owners.passes[handle].values == {"b": 3}
    assert owners.asked_for(ChangePass)[0].kind == "update"
    assert again.json == answer.json
    assert again.headers["idempotent-replayed"] == "true"


async def test_everything_that_may_happen_has_its_address(
    an_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id)

    for action in ("check", "scan", "edit", "register", "void", "unvoid"):
        body = {"values": {"a": 1}} if action in {"edit", "register"} else None
        answer = await an_account.call("POST", f"/v1/passes/{handle}/{action}", body)
        assert (answer.status, answer.json["handle"]) == (200, handle)
        change = owners.asked_for(ChangePass)[-1]
        assert (change.kind, change.values) == (action, body["values"] if body else {})


async def test_scan_says_what_to_show(an_account: AnAccount, template_id: str, owners: Owners):
    handle = await issue(an_account, template_id)
    door_staff = await an_account.with_scopes("scans:write")

    answer = await door_staff.call("POST", f"/v1/passes/{handle}/scan")
    forbidden = await door_staff.call("POST", f"/v1/passes/{handle}/void")

    assert answer.json["scan_text"] == "Welcome back"
    assert answer.json["scan_color"] is None
    assert forbidden.status == 403


async def test_deleted_pass_is_gone(an_account: AnAccount, template_id: str, owners: Owners):
    handle = await issue(an_account, template_id)

    deleted = await an_account.call("DELETE", f"/v1/passes/{handle}")
    answer = await an_account.call("GET", f"/v1/passes/{handle}")

    assert (deleted.status, deleted.content) == (204, b"")
    assert answer.status == 410


def an_event(account: AnAccount, sequence: int, kind: Any = "scan") -> LoggedEvent:
    return LoggedEvent(
        event_id=new_id(),
        account_id=account.account_id,
        template_id=new_id(),
        handle="h",
        kind=kind,
        sequence=sequence,
        version=sequence,
        occurred_at=NOON + timedelta(minutes=sequence),
        data={"changes": {POINTS: [1, 2]}},
    )


def notices_of(event: LoggedEvent, minutes: list[float]) -> PassNotices:
    moments = [NOON + timedelta(minutes=minute) for minute in minutes]
    delivery = Delivery(
        delivery_id=new_id(),
        endpoint_id=new_id(),
        event_id=event.event_id,
        webhook_id="msg_1",
        kind="pass.scanned",
        handle="h",
        state="pending",
        created_at=event.occurred_at,
        attempts=[Attempt(number=1, at=moments[0], status=500, milliseconds=12)],
    )
    contents = [
        ContentNotice(content_number=number, pass_version=number, at=at)
        for number, at in enumerate(moments, start=1)
    ]
    return PassNotices(contents=contents, deliveries=[delivery])


async def test_timeline_tells_all_in_one_list(an_account: AnAccount, owners: Owners):
    events = [an_event(an_account, number) for number in (1, 2, 3)]

    def page(query: ReadTimeline) -> EventPage:
        rest = [event for event in events if event.sequence > query.after]
        return EventPage(events=rest[: query.limit], more=len(rest) > query.limit)

    owners.answer(ReadTimeline, page)
    owners.answer(ReadNotices, lambda _: notices_of(events[1], [1.5, 2.5, 9]))
    owners.answer(ReadPass, lambda _: GoneError())
    first = await an_account.call("GET", "/v1/passes/h/timeline?limit=2")
    cursor = first.json["next_cursor"]
    second = await an_account.call("GET", f"/v1/passes/h/timeline?limit=2&cursor={cursor}")

    def told(answer: Any) -> list[tuple[str, int | None]]:
        return [(entry["source"], entry.get("version")) for entry in answer.json["data"]]

    assert told(first) == [("event", 1), ("content", 1), ("event", 2), ("delivery", None)]
    assert told(second) == [("content", 2), ("event", 3), ("content", 3)]
    assert first.json["notices"] == second.json["notices"] == "complete"
    assert second.json["next_cursor"] is None
    assert first.json["verdict"]["code"] == second.json["verdict"]["code"] == "deleted"
    scan, _, _, delivery = first.json["data"]
    assert (scan["type"], scan["sequence"]) == ("pass.scanned", 1)
    assert scan["data"] == {"changes": {POINTS: [1, 2]}}
    assert (delivery["state"], delivery["attempts"][0]["status"]) == ("pending", 500)


async def test_timeline_tells_events_while_the_notifier_is_away(
    an_account: AnAccount, owners: Owners
):
    page = EventPage(events=[an_event(an_account, 1)], more=False)
    owners.answer(ReadTimeline, lambda _: page)
    owners.answer(ReadNotices, lambda _: UnavailableError())
    owners.answer(ReadPass, lambda _: GoneError())

    answer = await an_account.call("GET", "/v1/passes/h/timeline")

    assert answer.json["verdict"] is None
    assert [entry["type"] for entry in answer.json["data"]] == ["pass.scanned"]
    assert answer.json["notices"] == "unavailable"


async def test_timeline_of_an_unknown_pass_is_not_there(an_account: AnAccount, owners: Owners):
    owners.answer(ReadTimeline, lambda _: NotFoundError())
    owners.answer(ReadNotices, lambda _: NotFoundError())

    answer = await an_account.call("GET", "/v1/passes/h/timeline")

    assert answer.status == 404


async def test_template_has_statistics(
    an_account: AnAccount, another_account: AnAccount, template_id: str, owners: Owners
):
    counts = Counts(totals={"create": 3}, days={"2026-11-21": {"create": 3}})
    owners.answer(ReadCounts, lambda _: counts)

    address = f"/v1/templates/{template_id}/statistics"
    answer = await an_account.call("GET", address)
    foreign = await another_account.call("GET", address)

    assert answer.json == counts.model_dump()
    assert foreign.status == 404


async def test_a_pass_is_shown_as_it_stands_in_both_wallets(
    an_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id)
    owners.passes[handle] = owners.passes[handle].model_copy(
        update={"devices": 3, "google_devices": 1}
    )
    state = GooglePassState(state="there", object_id="1.p_x", sent_version=1, saved=True)
    owners.answer(ReadGoogleState, lambda _: state)

    shown = (await an_account.call("GET", f"/v1/passes/{handle}")).json

    assert shown["devices"] == 3
    assert shown["wallets"]["apple"] == {"devices": 2}
    assert shown["wallets"]["google"]["state"] == "there"
    assert shown["wallets"]["google"]["saved"]


async def test_a_pass_is_read_while_nobody_can_tell_how_it_stands_at_google(
    an_account: AnAccount, template_id: str, owners: Owners
):
    handle = await issue(an_account, template_id)
    owners.answer(ReadGoogleState, lambda _: UnavailableError())

    shown = await an_account.call("GET", f"/v1/passes/{handle}")

    assert shown.status == 200
    assert shown.json["wallets"]["google"] is None
