"""Batches: files of rows, judged, kept sealed, done one by one, and told of."""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote
from uuid import UUID

import orjson
import pytest
import pytest_asyncio
from aiohttp import FormData
from yarl import URL

from services.gateway.handlers import erase_members
from shared import clock
from shared.contracts.gateway import BatchEnded
from shared.contracts.member import (
    Enrolled,
    EnrolMember,
    Enrolment,
    ErasedMember,
    ListMembers,
    Member,
    MemberPage,
    MemberSaved,
    MembersErased,
    SaveMember,
)
from shared.contracts.triggers import (
    ChangePass,
    CreatePass,
    ListPasses,
    PassCreated,
    PassPage,
)
from shared.errors import (
    ApplicationError,
    ConflictError,
    InternalError,
    NotFoundError,
    UnavailableError,
)
from shared.hashes import template_hash
from shared.identifiers import new_id
from shared.passes.links.tokens import LinkClaims
from tests.integration.gateway.conftest import (
    PUBLIC_URL,
    AnAccount,
    Answer,
    Gateway,
    make_account,
    running_gateway,
)
from tests.integration.gateway.owners import Owners, a_member
from tests.integration.gateway.samples import make_template
from tests.servers import new_database

POINTS = "structure_headerFields_points_value"
CSV = {"Content-Type": "text/csv"}
PATIENCE = 20.0


class People:
    """A member service that holds what batches ask of one."""

    def __init__(self, owners: Owners) -> None:
        self.members = owners.members
        self.enrolments: dict[tuple[Any, ...], Enrolment] = {}
        owners.answer(EnrolMember, self._enrol)
        owners.answer(SaveMember, self._save)
        owners.answer(ListMembers, self._list)

    def _enrol(self, command: EnrolMember) -> Enrolled:
        external_id = command.fields.get("external_id")
        place = (command.account_id, command.template_id, external_id or command.command_id)
        known = self.enrolments.get(place)
        if known is not None and command.replaces != known.handle:
            member = self.members[command.account_id, known.member_id]
            return Enrolled(enrolment=known, member=member, is_new=False)
        if known is not None:
            self.enrolments[place] = known.model_copy(update={"handle": command.handle})
            member = self.members[command.account_id, known.member_id]
            return Enrolled(enrolment=self.enrolments[place], member=member, is_new=True)
        member = a_member(command.account_id, command.member_id, **command.fields)
        self.members[command.account_id, command.member_id] = member
        self.enrolments[place] = Enrolment(
            enrolment_id=new_id(),
            account_id=command.account_id,
            template_id=command.template_id,
            member_id=command.member_id,
            handle=command.handle,
            external_id=external_id,
            created_at=clock.now(),
        )
        return Enrolled(enrolment=self.enrolments[place], member=member, is_new=True)

    def _save(self, command: SaveMember) -> MemberSaved:
        key = command.account_id, command.member_id
        before = self.members.get(key)
        if command.mode == "create" and before is not None:
            raise ConflictError
        if command.mode == "merge" and before is None:
            raise NotFoundError
        facts = before.model_dump() if before else {}
        member = Member(
            **a_member(*key).model_dump() | facts | command.fields,
        )
        self.members[key] = member
        return MemberSaved(member=member, created=before is None)

    def _list(self, query: ListMembers) -> MemberPage:
        found = [
            member
            for (account_id, _), member in self.members.items()
            if account_id == query.account_id and member.external_id == query.external_id
        ]
        return MemberPage(members=found, more=False)


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


@pytest_asyncio.fixture
async def people(owners: Owners) -> People:
    return People(owners)


@pytest_asyncio.fixture
async def template_id(an_account: AnAccount) -> str:
    return await make_template(an_account)


async def send(
    account: AnAccount, content: str | bytes, key: str | None = None, **query: str
) -> Answer:
    """Send a file."""
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    data = content.encode() if isinstance(content, str) else content
    return await account.call("POST", f"/v1/batches?{parameters}", data=data, headers=CSV, key=key)


async def begun(account: AnAccount, content: str | bytes, **query: str) -> str:
    answer = await send(account, content, **query)
    assert answer.status == 202, answer.content
    return answer.json["batch_id"]


async def until(
    account: AnAccount, batch_id: str, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Look at a batch until something is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            batch = (await account.call("GET", f"/v1/batches/{batch_id}")).json
            if is_so(batch):
                return batch
            await asyncio.sleep(0.02)


async def ended(account: AnAccount, batch_id: str) -> dict[str, Any]:
    return await until(account, batch_id, lambda batch: batch["ended_at"] is not None)


async def result(
    account: AnAccount, batch_id: str, name: str = "result", separator: str = ","
) -> list[dict[str, str]]:
    answer = await account.call("GET", f"/v1/batches/{batch_id}/{name}.csv")
    assert answer.status == 200, answer.content
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


async def test_each_row_is_a_pass_and_the_result_has_them_in_their_order(
    an_account: AnAccount, template_id: str, owners: Owners
):
    rows = "".join(f"{n}\n" for n in range(1200))

    batch_id = await begun(an_account, f"{POINTS}\n{rows}", kind="passes", template_id=template_id)
    batch = await ended(an_account, batch_id)
    found = await result(an_account, batch_id)

    assert (batch["state"], batch["rows"], batch["done"], batch["failed"]) == (
        "finished", 1200, 1200, 0,
    )  # fmt: skip
    assert [row[POINTS] for row in found] == [str(n) for n in range(1200)]
    assert [owners.passes[row["handle"]].values for row in found] == [
        {POINTS: str(n)} for n in range(1200)
    ]
    assert found[7]["link"] == f"{PUBLIC_URL}/p/{found[7]['handle']}"
    assert owners.lanes_of(CreatePass) == {"bulk"}


# The columns


async def test_unknown_columns_are_named_with_the_nearest_name_and_nothing_has_happened(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    head = f"structure_headerFields_point_value,externl_id,serialNumber,{POINTS},{POINTS}"
    answer = await send(an_account, f"{head}\n1,2,3,4,5\n", kind="passes", template_id=template_id)
    again = await send(
        an_account,
        "structure_headerFields_point_value,externl_id,serialNumber\n1,2,3\n",
        kind="passes",
        template_id=template_id,
    )

    assert (answer.status, answer.code) == (422, "batch_columns")
    assert answer.faults == {f"/1/{POINTS}": f"means the same as the column {POINTS}"}
    assert again.faults == {
        "/1/structure_headerFields_point_value": f"is unknown; did you mean {POINTS}?",
        "/1/externl_id": "is unknown; did you mean external_id?",
        "/1/serialNumber": "is read-only",
    }
    assert not owners.asked_for(CreatePass)
    assert await gateway.query("SELECT 1 FROM batches") == await gateway.query(
        "SELECT 1 FROM batches WHERE account_id <> $1", an_account.account_id
    )


async def test_missing_columns_are_named(an_account: AnAccount, template_id: str, owners: Owners):
    answers = [
        await send(an_account, f"{POINTS}\n1\n", kind="passes"),
        await send(an_account, f"{POINTS}\n1\n", kind="changes", template_id=template_id),
        await send(an_account, "link\nx\n", kind="members"),
    ]

    assert [answer.code for answer in answers] == ["batch_columns"] * 3
    assert [list(answer.faults) for answer in answers] == [["?template_id"], ["/1"], ["/1"]]


async def test_one_file_may_name_several_templates_by_id_and_hash(
    an_account: AnAccount, gateway: Gateway, template_id: str, owners: Owners
):
    other = await make_template(an_account, properties={"seat": ""})
    hashed = template_hash(gateway.master_keys, an_account.account_id, UUID(other))
    rows = f"templateId,{POINTS},seat\n{template_id},1,\n{hashed},,A1\nnone,1,\n"

    batch_id = await begun(an_account, rows, kind="passes")
    await ended(an_account, batch_id)
    first, second, third = await result(an_account, batch_id)

    assert "handle" not in first
    assert str(owners.passes[first["hashedSerialNumber"]].template_id) == template_id
    assert str(owners.passes[second["hashedSerialNumber"]].template_id) == other
    assert third["error"] == "There is no such template in this account."
    unknown = await send(an_account, f"templateId,sea\n{other},A1\n", kind="passes")
    assert unknown.faults == {"/1/sea": "is unknown; did you mean seat?"}


async def test_a_mapping_says_what_columns_mean(
    an_account: AnAccount, template_id: str, owners: Owners
):
    mapping = quote(orjson.dumps({"Punkte": POINTS, "Bemerkung": ""}))
    rows = "Punkte;Bemerkung\n5;hello\n"

    batch_id = await begun(
        an_account, rows, kind="passes", template_id=template_id, mapping=mapping
    )
    await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id, separator=";")
    wrong = await send(an_account, "x\n1\n", kind="members", mapping=quote('{"name":"x"}'))

    assert owners.passes[row["handle"]].values == {POINTS: "5"}
    assert list(row) == ["Punkte", "link", "handle", "error"]
    assert wrong.status == 422


# Rows


async def test_faulty_rows_fail_alone_and_can_be_corrected_and_sent_again(
    an_account: AnAccount, template_id: str, owners: Owners
):
    bad = await make_template(an_account, properties={"unknown_x": ""})
    rows = "".join(f'{"x" if n == 42 else ""},"=SUM({n})"\n' for n in range(1000))

    batch_id = await begun(
        an_account, f"unknown_x,logoText\n{rows}", kind="passes", template_id=bad
    )
    batch = await ended(an_account, batch_id)
    (failed,) = await result(an_account, batch_id, "errors")
    answer = await an_account.call("GET", f"/v1/batches/{batch_id}/errors.csv")
    corrected = answer.content.replace(b'"x"', b'""')
    next_id = await begun(an_account, corrected, kind="passes", template_id=bad)
    corrected_batch = await ended(an_account, next_id)
    (row,) = await result(an_account, next_id)

    assert (batch["done"], batch["failed"]) == (1000, 1)
    assert failed["logoText"] == "'=SUM(42)"
    assert failed["error"].startswith("These values cannot be set. (unknown_x: ")
    assert (corrected_batch["state"], corrected_batch["failed"]) == ("finished", 0)
    assert owners.passes[row["handle"]].values == {"logoText": "=SUM(42)"}


async def test_row_with_more_cells_than_the_head_fails_alone(
    an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"{POINTS},logoText\n1\n2,x,y,z\n3,x,,\n"

    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await ended(an_account, batch_id)

    errors = [row["error"] for row in await result(an_account, batch_id)]
    assert errors == ["", "The row has more cells than the head.", ""]


async def test_members_are_found_or_made_and_equal_ids_are_listed(
    an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    people.members[an_account.account_id, "ann"] = a_member(an_account.account_id, "ann")
    rows = (
        "member_id,external_id,name,e-mail\n"
        "ann,,,\n"
        "bob,,Bob,\n"
        "nobody,,,\n"
        ",e1,Cleo,cleo@example.com\n"
        ",e1,Other,other@example.com\n"
        ",,Dora,dora@example.com\n"
        ",,,\n"
    )

    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    batch = await ended(an_account, batch_id)
    found = await result(an_account, batch_id)
    again_id = await begun(an_account, "external_id\ne1\n", kind="passes", template_id=template_id)
    await ended(an_account, again_id)
    (known,) = await result(an_account, again_id)

    ann, bob, nobody, cleo, twin, dora = found
    holders = [owners.passes[row["handle"]].member_id for row in (ann, bob)]
    assert (batch["rows"], batch["failed"], holders) == (6, 2, ["ann", "bob"])
    assert nobody["error"].startswith("There is no such member in this account.")
    assert twin["error"] == "It has the same external_id as line 5."
    assert (owners.passes[cleo["handle"]].member or {})["email"] == "cleo@example.com"
    assert (owners.passes[dora["handle"]].member or {})["name"] == "Dora"
    assert known["handle"] == cleo["handle"]
    assert known["error"].startswith("Who has this external_id has a pass of this template")


async def test_who_has_only_a_deleted_pass_gets_another_one(
    an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    first_id = await begun(an_account, "external_id\ne1\n", kind="passes", template_id=template_id)
    await ended(an_account, first_id)
    (first,) = await result(an_account, first_id)
    await an_account.call("DELETE", f"/v1/passes/{first['handle']}")

    next_id = await begun(
        an_account, "external_id\ne1\n", kind="passes", template_id=template_id, again="true"
    )
    await ended(an_account, next_id)
    (row,) = await result(an_account, next_id)

    assert (row["error"], row["handle"] != first["handle"]) == ("", True)
    assert owners.passes[row["handle"]].member_id == owners.passes[first["handle"]].member_id


async def test_members_are_made_and_changed(an_account: AnAccount, owners: Owners, people: People):
    people.members[an_account.account_id, "ann"] = a_member(
        an_account.account_id, "ann", name="Ann", external_id="e1", points=3
    )
    rows = "member_id;external_id;name;points\n;e1;Anna;\nbob;;Bob;7\n;;Cleo;\nbob;;Rob;\n"

    batch_id = await begun(an_account, rows, kind="members")
    await ended(an_account, batch_id)
    found = await result(an_account, batch_id, separator=";")

    ann, bob = (people.members[an_account.account_id, name] for name in ("ann", "bob"))
    assert (ann.name, ann.points, bob.name, bob.points) == ("Anna", 3, "Bob", 7)
    assert [row["error"] for row in found][
        3
    ] == "It has the same member_id or external_id as line 3."
    assert len(people.members) == 3
    cleo = next(one for one in people.members.values() if one.name == "Cleo")
    assert [row["member_id"] for row in found] == ["ann", "bob", cleo.member_id, "bob"]


async def test_passes_are_changed_by_handle_or_member(
    an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    orders: list[dict[str, Any]] = [{"values": {}}] * 3
    body = {"template_id": template_id, "passes": orders}
    issued = await an_account.call("POST", "/v1/passes", body)
    one, two, three = (row["handle"] for row in issued.json["passes"])
    mine = [owners.passes[two], owners.passes[three]]
    owners.answer(ListPasses, lambda _: PassPage(passes=mine, more=False))
    rows = f"handle,member_id,{POINTS}\n{one.upper()},,1\n,ann,2\nnone,,3\n"

    batch_id = await begun(an_account, rows, kind="changes", push="false")
    await ended(an_account, batch_id)
    found = await result(an_account, batch_id)

    values = [owners.passes[handle].values for handle in (one, two, three)]
    assert values == [{POINTS: "1"}, {POINTS: "2"}, {POINTS: "2"}]
    assert {command.push for command in owners.asked_for(ChangePass)} == {False}
    assert found[2]["error"] == "There is no such pass."
    assert list(found[0]) == ["handle", "member_id", POINTS, "link", "error"]


async def test_json_lines_say_null_and_nothing(
    an_account: AnAccount, template_id: str, owners: Owners
):
    issued = await an_account.call(
        "POST", "/v1/passes", {"template_id": template_id, "values": {POINTS: 1, "logoText": "x"}}
    )
    handle = issued.json["handle"]
    lines = f'{{"handle":"{handle}","logoText":null}}\n\n{{"{POINTS}":2}}\n'

    batch_id = await begun(an_account, lines, kind="changes")
    await ended(an_account, batch_id)
    found = await result(an_account, batch_id)

    assert owners.passes[handle].values == {POINTS: 1}
    assert [row["error"] for row in found] == ["", "A handle or a member_id is needed."]
    assert list(found[0]) == ["handle", "logoText", POINTS, "link", "error"]


async def test_file_may_be_a_field_of_a_form(
    an_account: AnAccount, gateway: Gateway, template_id: str, owners: Owners
):
    form = FormData()
    form.add_field("file", f"{POINTS}\n1\n2\n".encode(), filename="rows.csv")
    url = f"/v1/batches?kind=passes&template_id={template_id}"
    async with gateway.http.post(url, data=form, headers={"X-API-Key": an_account.key}) as answer:
        batch = await answer.json()
    assert (answer.status, batch["rows"]) == (202, 2)


@pytest.mark.parametrize("names", [["other"], ["file", "file"], ["file", "push"]])
async def test_form_has_one_field(
    names: list[str], an_account: AnAccount, gateway: Gateway, template_id: str
):
    form = FormData()
    for name in names:
        form.add_field(name, f"{POINTS}\n1\n".encode(), filename="rows.csv")
    url = f"/v1/batches?kind=passes&template_id={template_id}"
    async with gateway.http.post(url, data=form, headers={"X-API-Key": an_account.key}) as refused:
        problem = await refused.json()

    assert (refused.status, problem["detail"]) == (400, "A form has one field: the file.")
    assert (await an_account.call("GET", "/v1/batches")).json["data"] == []


async def test_passes_without_anything_of_their_own_are_counted(
    an_account: AnAccount, template_id: str, owners: Owners
):
    url = f"/v1/batches?kind=passes&template_id={template_id}&count=700"
    begun_batch = (await an_account.call("POST", url)).json
    await ended(an_account, begun_batch["batch_id"])
    found = await result(an_account, begun_batch["batch_id"])
    other = (await an_account.call("POST", url)).json
    await ended(an_account, other["batch_id"])

    assert len({row["handle"] for row in found}) == 700
    assert list(found[0]) == ["link", "handle", "error"]
    assert (other["repeated"], other["batch_id"] == begun_batch["batch_id"]) == (False, False)


async def test_dry_run_tells_what_would_be_and_does_nothing(
    an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"Name,{POINTS},backgroundColor\nAnn,1,red\nBob,2,no colour\n" + "x,,\n" * 30

    answer = await send(an_account, rows, kind="passes", template_id=template_id, dry_run="true")
    listed = await an_account.call("GET", "/v1/batches")

    first, second, *others = answer.json["first"]
    assert (answer.status, answer.json["rows"], len(others)) == (200, 32, 18)
    assert answer.json["columns"]["Name"] == "name"
    assert first == {
        "line": 2,
        "template_id": template_id,
        "facts": {"name": "Ann"},
        "values": {POINTS: "1", "backgroundColor": "red"},
        "error": None,
    }
    assert second["error"].startswith("These values cannot be set. (backgroundColor: a colour")
    assert listed.json["data"] == []
    assert not owners.asked_for(CreatePass)


async def test_dry_run_lists_equal_ids(an_account: AnAccount, template_id: str):
    rows = "external_id\ne1\ne2\ne1\n"

    answer = await send(an_account, rows, kind="passes", template_id=template_id, dry_run="true")

    errors = [row["error"] for row in answer.json["first"]]
    assert errors == [None, None, "It has the same external_id as line 2."]


# Once


async def test_same_file_within_a_day_is_the_same_batch_unless_it_is_to_be_done_again(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"{POINTS}\n1\n"
    asked = {"kind": "passes", "template_id": template_id}
    first = await send(an_account, rows, **asked)

    same = await send(an_account, rows, **asked)
    other_terms = await send(an_account, rows, **asked, push="false")
    again = await send(an_account, rows, **asked, again="true")

    ids = [answer.json["batch_id"] for answer in (first, same, other_terms, again)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert [a.json["repeated"] for a in (first, same, again)] == [False, True, False]
    left = await gateway.query("SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id)
    assert len(left) == 3


async def test_same_key_is_the_same_batch(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    asked = {"kind": "passes", "template_id": template_id, "again": "true"}
    first = await send(an_account, f"{POINTS}\n1\n", "a-key", **asked)

    same = await send(an_account, f"{POINTS}\n1\n", "a-key", **asked)
    other = await send(an_account, f"{POINTS}\n2\n", "a-key", **asked)

    assert first.content == same.content
    assert same.headers["idempotent-replayed"] == "true"
    assert (other.status, other.code) == (422, "idempotency_key_reused")
    left = await gateway.query("SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id)
    assert len(left) == 1


async def test_upload_that_is_cut_off_leaves_nothing(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    body = (f"{POINTS}\n" + "1\n" * 100_000).encode()
    url = URL(gateway.url)
    _, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(
        f"POST /v1/batches?kind=passes&template_id={template_id} HTTP/1.1\r\nHost: x\r\n"
        f"X-API-Key: {an_account.key}\r\nContent-Type: text/csv\r\n"
        f"Content-Length: {len(body)}\r\n\r\n".encode()
    )
    writer.write(body[: len(body) // 2])
    await writer.drain()

    async def held() -> list[Any]:
        return await gateway.query(
            "SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id
        )

    async with asyncio.timeout(PATIENCE):
        while not await held():
            await asyncio.sleep(0.01)
        writer.close()
        while await held():
            await asyncio.sleep(0.01)

    assert (await an_account.call("GET", "/v1/batches")).json["data"] == []
    assert not owners.asked_for(CreatePass)


async def test_file_that_cannot_be_read_to_its_end_leaves_nothing(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    rows = f"{POINTS}\n" + "1\n" * 5000 + '"never closed\n'

    answer = await send(an_account, rows, kind="passes", template_id=template_id)

    assert (answer.status, answer.code, list(answer.faults)) == (422, "table_unreadable", ["/5002"])
    assert not await gateway.query(
        "SELECT 1 FROM batches WHERE account_id = $1", an_account.account_id
    )


# On the way


class Gate:
    """Lets an owner answer only as often as it is told."""

    def __init__(self, owners: Owners) -> None:
        self.is_open = False
        self.owners = owners
        owners.answer(CreatePass, self._create)

    def _create(self, command: CreatePass) -> PassCreated | UnavailableError:
        if not self.is_open:
            self.owners.forget(command)
            return UnavailableError()
        return self.owners.create(command)


@pytest.fixture(autouse=True)
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows in doubt are done again soon."""
    monkeypatch.setattr("services.gateway.catalogue.batches.LEASE_SECONDS", 0.2)


async def test_rows_in_doubt_are_done_once_when_their_owner_is_back(
    an_account: AnAccount, template_id: str, owners: Owners
):
    gate = Gate(owners)
    batch_id = await begun(an_account, f"{POINTS}\n1\n2\n", kind="passes", template_id=template_id)
    async with asyncio.timeout(PATIENCE):
        while len(owners.asked_for(CreatePass)) < 4:
            await asyncio.sleep(0.02)
    before = (await an_account.call("GET", f"/v1/batches/{batch_id}")).json

    gate.is_open = True
    batch = await ended(an_account, batch_id)

    assert (before["state"], before["done"]) == ("running", 0)
    assert (batch["done"], batch["failed"]) == (2, 0)
    assert len({command.command_id for command in owners.asked_for(CreatePass)}) == 2
    assert len({command.handle for command in owners.asked_for(CreatePass)}) == 2


async def test_paused_batch_waits_and_a_cancelled_one_tells_what_was_not_done(
    an_account: AnAccount, template_id: str, owners: Owners
):
    gate = Gate(owners)
    rows = f"{POINTS}\n" + "1\n" * 3000
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)

    async def control(action: str) -> Answer:
        return await an_account.call("POST", f"/v1/batches/{batch_id}/{action}")

    paused = [await control("pause"), await control("pause")]
    early = await an_account.call("GET", f"/v1/batches/{batch_id}/result.csv")
    gate.is_open = True
    resumed = [await control("resume"), await control("resume")]
    await until(an_account, batch_id, lambda batch: batch["done"] >= 500)
    gate.is_open = False
    cancelled = [await control("cancel"), await control("cancel")]
    late = await control("resume")
    found = await result(an_account, batch_id)

    assert [answer.json["state"] for answer in paused] == ["paused"] * 2
    assert (early.status, early.code) == (409, "batch_goes_on")
    assert {answer.json["state"] for answer in resumed} <= {"queued", "running"}
    assert [answer.json["state"] for answer in cancelled] == ["cancelled"] * 2
    assert (late.status, late.code) == (409, "batch_ended")
    assert len(found) == 3000
    told = Counter(row["error"] for row in found)
    assert set(told) == {"", "The batch was cancelled before this row."}
    assert told[""] >= 500


async def test_batches_of_two_accounts_advance_in_turns(
    an_account: AnAccount, another_account: AnAccount, owners: Owners
):
    gate = Gate(owners)
    templates = [await make_template(account) for account in (an_account, another_account)]
    rows = f"{POINTS}\n" + "1\n" * 10_000
    large = [
        await begun(an_account, rows + f"{n}\n", kind="passes", template_id=templates[0])
        for n in range(2)
    ]
    small = await begun(
        another_account, f"{POINTS}\n" + "1\n" * 2000, kind="passes", template_id=templates[1]
    )

    gate.is_open = True
    await ended(another_account, small)
    batches = [(await an_account.call("POST", f"/v1/batches/{one}/cancel")).json for one in large]

    assert sum(batch["done"] for batch in batches) < 10_000


async def test_template_that_is_deleted_meanwhile_fails_the_rows_that_are_left(
    an_account: AnAccount, template_id: str, owners: Owners
):
    gate = Gate(owners)
    batch_id = await begun(an_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id)
    await an_account.call("DELETE", f"/v1/templates/{template_id}")

    gate.is_open = True
    batch = await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id)

    assert (batch["state"], batch["failed"]) == ("finished", 1)
    assert row["error"] == "There is no such template in this account."


async def test_rows_that_fail_on_our_side_are_tried_again_and_then_told(
    an_account: AnAccount, template_id: str, owners: Owners
):
    asked: list[CreatePass] = []

    def create(command: CreatePass) -> ApplicationError:
        if command.account_id == an_account.account_id:
            asked.append(command)
        owners.forget(command)
        return InternalError()

    owners.answer(CreatePass, create)
    batch_id = await begun(an_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id)
    batch = await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id)

    assert (batch["failed"], len(asked)) == (1, 5)
    assert row["error"] == InternalError().detail


async def test_batch_that_cannot_be_opened_has_failed_and_holds_up_no_other(
    gateway: Gateway,
    an_account: AnAccount,
    template_id: str,
    owners: Owners,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("services.gateway.jobs.batches.MAX_ATTEMPTS", 3)
    gate = Gate(owners)
    asked = {"kind": "passes", "template_id": template_id}
    batch_id = await begun(an_account, f"{POINTS}\n1\n", **asked)
    other_id = await begun(an_account, f"{POINTS}\n2\n", **asked)
    await gateway.query(
        "UPDATE batch_chunks SET content = $2 WHERE batch_id = $1", UUID(batch_id), bytes(50)
    )

    gate.is_open = True
    other = await ended(an_account, other_id)
    batch = await ended(an_account, batch_id)
    told = await announced_end(gateway, batch_id)

    assert (other["state"], batch["state"]) == ("finished", "failed")
    assert batch["fault"] == "Some of its rows cannot be done."
    assert told["state"] == "failed"


# What is told, and what is kept


async def announced_end(gateway: Gateway, batch_id: str) -> dict[str, Any]:
    """Read what was announced of a batch's end: one message."""
    (row,) = await gateway.query(
        """
        SELECT DISTINCT ON (message_id) body
        FROM outbox
        WHERE name = $1 AND convert_from(body, 'UTF8')::jsonb ->> 'batch_id' = $2
        """,
        BatchEnded.name,
        batch_id,
    )
    return orjson.loads(row["body"])


async def test_the_end_is_announced_once(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    batch_id = await begun(
        an_account, "unknown\n1\n\n", kind="passes",
        template_id=await make_template(an_account, properties={"unknown": ""}),
    )  # fmt: skip
    batch = await ended(an_account, batch_id)

    told = await announced_end(gateway, batch_id)
    assert told == {
        "batch_id": batch_id,
        "account_id": str(an_account.account_id),
        "kind": "passes",
        "state": "finished",
        "rows": 1,
        "done": 1,
        "failed": 1,
        "ended_at": batch["ended_at"],
    }


async def test_rows_and_results_rest_sealed_and_go_some_days_after_the_end(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    rows = "external_id,name\ncrm-canary-1,Ada Canary\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await ended(an_account, batch_id)
    texts = [
        str(bytes(value)) if isinstance(value, bytes) else str(value)
        for table in ("batches", "batch_chunks", "batch_marks")
        for row in await gateway.query(f"SELECT * FROM {table} WHERE batch_id = $1", UUID(batch_id))
        for value in row
    ]

    await gateway.context.batches.forget_over(7)
    kept = await an_account.call("GET", f"/v1/batches/{batch_id}")
    await gateway.query(
        "UPDATE batches SET ended_at = now() - interval '8 days' WHERE batch_id = $1",
        UUID(batch_id),
    )
    await gateway.context.batches.forget_over(7)
    gone = await an_account.call("GET", f"/v1/batches/{batch_id}")

    assert len(texts) > 20
    assert not [text for text in texts if "anary" in text]
    assert (kept.status, gone.status, gone.code) == (200, 404, "batch_not_found")
    for table in ("batch_chunks", "batch_marks"):
        assert not await gateway.query(f"SELECT 1 FROM {table} WHERE batch_id = $1", UUID(batch_id))


def gone(account: AnAccount, member_id: str) -> MembersErased:
    member = ErasedMember(account_id=account.account_id, member_id=member_id)
    return MembersErased(members=[member])


async def test_erased_member_is_taken_out_of_rows_and_results(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    rows = "external_id,name\ne1,Ada\ne2,Bob\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await ended(an_account, batch_id)
    first, _ = await result(an_account, batch_id)
    member_id = owners.passes[first["handle"]].member_id
    assert member_id is not None

    async with gateway.context.database.work() as work:
        await erase_members([gone(an_account, member_id)], work, batches=gateway.context.batches)
    erased, left = await result(an_account, batch_id)

    assert erased == {
        "external_id": "",
        "name": "",
        "link": first["link"],
        "handle": first["handle"],
        "error": "The member was erased.",
    }
    assert (left["external_id"], left["error"]) == ("e2", "")


async def test_member_who_is_erased_before_a_row_is_recorded_is_taken_out_of_it(
    gateway: Gateway,
    an_account: AnAccount,
    template_id: str,
    owners: Owners,
    people: People,
):
    gate = Gate(owners)
    rows = "external_id,name\ne1,Ada\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    async with asyncio.timeout(PATIENCE):
        while not people.enrolments:
            await asyncio.sleep(0.01)
    (enrolment,) = people.enrolments.values()

    async with gateway.context.database.work() as work:
        message = gone(an_account, enrolment.member_id)
        await erase_members([message], work, batches=gateway.context.batches)
    gate.is_open = True
    await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id)

    assert (row["name"], row["error"]) == ("", "The member was erased.")


# Who may


async def test_kind_needs_the_right_to_do_each_row(
    an_account: AnAccount, template_id: str, owners: Owners
):
    key = await an_account.with_scopes("batches:write", "batches:read", "passes:write")

    answers = [
        await send(key, "name\nx\n", kind="members"),
        await send(key, "name\nx\n", kind="passes", template_id=template_id),
    ]
    allowed = await send(key, f"{POINTS}\n1\n", kind="passes", template_id=template_id)

    assert [answer.status for answer in answers] == [403, 403]
    assert "members:write" in answers[0].json["detail"]
    assert allowed.status == 202


async def test_batch_is_nobody_elses(
    an_account: AnAccount, another_account: AnAccount, template_id: str, owners: Owners
):
    batch_id = await begun(an_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id)

    answers = [
        await another_account.call("GET", f"/v1/batches/{batch_id}"),
        await another_account.call("GET", f"/v1/batches/{batch_id}/result.csv"),
        await another_account.call("POST", f"/v1/batches/{batch_id}/cancel"),
        await send(another_account, f"{POINTS}\n1\n", kind="passes", template_id=template_id),
    ]

    assert [answer.status for answer in answers] == [404, 404, 404, 422]
    assert (await another_account.call("GET", "/v1/batches")).json["data"] == []


async def test_an_account_has_only_so_many_batches_on_their_way(
    an_account: AnAccount, template_id: str, owners: Owners
):
    Gate(owners)
    asked = {"kind": "passes", "template_id": template_id}
    ids = [await begun(an_account, f"{POINTS}\n{n}\n", **asked) for n in range(20)]

    one_more = await send(an_account, f"{POINTS}\nx\n", **asked)
    for batch_id in ids:
        await an_account.call("POST", f"/v1/batches/{batch_id}/cancel")

    assert (one_more.status, one_more.code) == (429, "too_many_batches")


async def test_file_that_is_too_long_leaves_nothing(database_url: str):
    async with (
        new_database(database_url) as url,
        running_gateway(url, batch_mebibytes=1) as gateway,
    ):
        account = await make_account(gateway)
        template_id = await make_template(account)
        rows = f"{POINTS}\n" + "1\n" * 600_000

        async def pieces() -> AsyncIterator[bytes]:
            yield rows.encode()

        headers = {"X-API-Key": account.key, **CSV}
        path = f"/v1/batches?kind=passes&template_id={template_id}"
        async with gateway.http.post(path, data=pieces(), headers=headers) as answer:
            problem = await answer.json()

        assert (answer.status, problem["code"]) == (413, "too_large")
        assert not await gateway.query("SELECT 1 FROM batches")


# Links


async def a_program(account: AnAccount, template_id: str, **said: Any) -> str:
    body = {"name": "Autumn", "template_id": template_id, **said}
    return (await account.call("POST", "/v1/link-programs", body)).json["program_id"]


async def test_links_are_sealed_for_a_list_made_for_passkit(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners
):
    program_id = await a_program(an_account, template_id, auto_fill_external_id="email")
    rows = (
        f"person.displayName,PERSON.EMAILADDRESS,{POINTS},meta.seat,campaign,link\n"
        "Percy,percy@example.com,5,A1,autumn,old\n"
        "Twin,Percy@Example.com,6,A2,autumn,old\n"
        "Nobody,no address,7,A3,autumn,old\n"
    )

    batch_id = await begun(an_account, rows, kind="links", program_id=program_id)
    batch = await ended(an_account, batch_id)
    percy, twin, nobody = await result(an_account, batch_id)
    token = percy["link"].removeprefix(f"{PUBLIC_URL}/c/{program_id}?data=")
    opened = await gateway.context.links.open(UUID(program_id), token, None)

    assert (batch["kind"], batch["failed"]) == ("links", 2)
    assert isinstance(opened.content, LinkClaims)
    assert opened.content.member == {"name": "Percy", "email": "percy@example.com"}
    assert (opened.content.values, opened.content.campaign) == ({POINTS: 5}, "autumn")
    assert twin["error"] == "It has the same external_id as line 2."
    assert nobody["error"].startswith("A link cannot say this. (email: an e-mail address")
    assert list(percy)[-2:] == ["link", "error"]
    assert not owners.asked_for(CreatePass)


async def test_columns_of_links_are_judged_first(an_account: AnAccount, template_id: str):
    program_id = await a_program(an_account, template_id)

    answers = [
        await send(an_account, "person.nam,logoTxt\n1,2\n", kind="links", program_id=program_id),
        await send(an_account, "name\nx\n", kind="links", program_id=str(UUID(int=0))),
        await send(an_account, "name\nx\n", kind="passes", program_id=program_id),
    ]

    assert [list(answer.faults) for answer in answers] == [
        ["/1/logoTxt"], ["?program_id"], ["?program_id"],
    ]  # fmt: skip
    assert answers[0].faults["/1/logoTxt"] == "is unknown; did you mean logoText?"


async def test_dry_run_of_links_tells_what_they_cannot_say(an_account: AnAccount, template_id: str):
    program_id = await a_program(an_account, template_id)
    rows = "email,expires_at\npercy@example.com,\nx,\npercy@example.com,2020-01-01\n"

    answer = await send(an_account, rows, kind="links", program_id=program_id, dry_run="true")

    errors = [row["error"] for row in answer.json["first"]]
    assert errors[0] is None
    assert all("A link cannot say this." in error for error in errors[1:])


async def test_short_links_say_nothing_and_make_their_pass_once(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    seat = {"value": "", "editable": True}
    template_id = await make_template(an_account, properties={"seat": seat, "row": "A"})
    batch_id = await begun(an_account, "seat\nA1\nA2\n", kind="links", template_id=template_id)
    await ended(an_account, batch_id)
    first, second = (row["link"] for row in await result(an_account, batch_id))
    path = first.removeprefix(PUBLIC_URL)

    looked = await gateway.call("GET", path, headers={"User-Agent": "WhatsApp/2.0"})
    before = owners.asked_for(CreatePass)
    answers = await asyncio.gather(*(gateway.call("GET", path) for _ in range(20)))
    pressed = await gateway.call("POST", path)
    unknown = await gateway.call("GET", "/l/0000000000000000")
    fixed = await send(an_account, "row\nB\n", kind="links", template_id=template_id)

    (handle,) = {one.handle for one in owners.asked_for(CreatePass)}
    assert path.startswith("/l/")
    assert len(path) == 19
    assert first != second
    assert (looked.status, before, unknown.status) == (200, [], 404)
    assert {(a.status, a.headers["location"]) for a in (*answers, pressed)} == {
        (303, f"{PUBLIC_URL}/p/{handle}")
    }
    assert owners.passes[handle].values == {"seat": "A1"}
    assert fixed.faults == {"/1/row": "is not editable by users, as what a short link says must be"}


async def test_short_link_whose_pass_or_template_is_deleted_no_longer_works(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    seat = {"value": "", "editable": True}
    template_id = await make_template(an_account, properties={"seat": seat})
    batch_id = await begun(an_account, "seat\nA1\nA2\n", kind="links", template_id=template_id)
    await ended(an_account, batch_id)
    first, second = (
        row["link"].removeprefix(PUBLIC_URL) for row in await result(an_account, batch_id)
    )
    made = await gateway.call("GET", first)
    handle = made.headers["location"].rpartition("/")[2]
    await an_account.call("DELETE", f"/v1/passes/{handle}")
    deleted = await gateway.call("GET", first)
    await an_account.call("DELETE", f"/v1/templates/{template_id}")

    without = await gateway.call("GET", second)

    assert [(a.status, a.code) for a in (deleted, without)] == [(410, "link_ended")] * 2
