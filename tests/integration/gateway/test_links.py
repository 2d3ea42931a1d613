"""Link programs over HTTP: what may be said of them, and what becomes of clicks."""

import asyncio
from typing import Any
from uuid import UUID

import pytest_asyncio

from shared import clock
from shared.contracts.member import ConfirmEnrolment, Enrolled, EnrolMember, Enrolment, Member
from shared.contracts.triggers import CreatePass
from shared.errors import GoneError, UnavailableError
from shared.passes.links.tokens import LinkClaims, LinkSealer
from shared.sealing import read_base64url
from tests.integration.gateway.conftest import (
    AnAccount,
    Answer,
    Gateway,
    make_account,
)
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template

ROOT = "/v1/link-programs"


class Clerk:
    """Stands in for member: one enrolment for each external id, the newest first."""

    def __init__(self, owners: Owners) -> None:
        self.by_external_id: dict[str, Enrolled] = {}
        self.refusal: Exception | None = None
        self.answer_for(owners)

    def answer_for(self, owners: Owners) -> None:
        owners.answer(EnrolMember, self.enrol)
        owners.answer(ConfirmEnrolment, self.confirm)

    def enrol(self, command: EnrolMember) -> Enrolled:
        if self.refusal is not None:
            raise self.refusal
        external_id = command.fields.get("external_id")
        known = self.by_external_id.get(external_id or "")
        if known is not None and known.enrolment.handle != command.replaces:
            return known.model_copy(update={"is_new": False})
        moment = clock.now()
        member = Member(
            account_id=command.account_id,
            member_id=command.member_id,
            version=1,
            created_at=moment,
            updated_at=moment,
            **command.fields,
        )
        enrolled = Enrolled(
            enrolment=Enrolment(
                enrolment_id=command.command_id,
                account_id=command.account_id,
                template_id=command.template_id,
                member_id=command.member_id,
                handle=command.handle,
                created_at=moment,
            ),
            member=member,
            is_new=known is None,
        )
        if external_id:
            self.by_external_id[external_id] = enrolled
        return enrolled

    def confirm(self, command: ConfirmEnrolment) -> Enrolment:
        return Enrolment(
            enrolment_id=command.command_id,
            account_id=command.account_id,
            template_id=UUID(int=0),
            member_id="x",
            handle=command.handle,
            created_at=clock.now(),
        )


@pytest_asyncio.fixture
async def owners(gateway: Gateway) -> Owners:
    return Owners(gateway.transport)


async def a_program(an_account: AnAccount, **said: Any) -> dict[str, Any]:
    template = await make_template(an_account)
    body = {"name": "Mailing", "template_id": template, **said}
    answer = await an_account.call("POST", ROOT, body)
    assert answer.status == 201, answer.content
    return answer.json


async def a_link(an_account: AnAccount, program: dict[str, Any], **said: Any) -> str:
    answer = await an_account.call("POST", f"{ROOT}/{program['program_id']}/links", said)
    assert answer.status == 201, answer.content
    return answer.json["url"].partition("https://passes.example")[2]


async def click(gateway: Gateway, path: str) -> Answer:
    return await gateway.call("GET", path)


async def test_a_program_is_made_read_changed_listed_and_deleted(an_account: AnAccount):
    made = await a_program(an_account, auto_fill_external_id="email", default_region="DE")
    path = f"{ROOT}/{made['program_id']}"

    changed = await an_account.call("PATCH", path, {"create_on": "button", "valid_days": 30})

    assert made["base_url"] == f"https://passes.example/c/{made['program_id']}"
    assert [key["key_id"] for key in made["keys"]] == [made["key_id"]]
    assert changed.json | {"updated_at": None} == {
        **made,
        "create_on": "button",
        "valid_days": 30,
        "updated_at": None,
    }
    assert (await an_account.call("GET", path)).json == changed.json
    assert (await an_account.call("GET", ROOT)).json["data"] == [changed.json]
    assert (await an_account.call("DELETE", path)).status == 204
    assert (await an_account.call("GET", path)).code == "link_program_not_found"


async def test_another_account_never_sees_a_program(gateway: Gateway, an_account: AnAccount):
    path = f"{ROOT}/{(await a_program(an_account))['program_id']}"
    other = await make_account(gateway)

    answers = [
        await other.call("GET", path),
        await other.call("PATCH", path, {"name": "Mine"}),
        await other.call("DELETE", path),
        await other.call("POST", f"{path}/links", {}),
        await other.call("POST", f"{path}/rotate", {}),
        await other.call("GET", f"{path}/key-file"),
        await other.call("POST", f"{path}/revocations", {"campaign": "autumn"}),
        await other.call("POST", f"{path}/legacy-keys", {"kind": "passkit", "key": "0" * 64}),
        await other.call("GET", f"{path}/counts"),
    ]

    assert {answer.status for answer in answers} == {404}


async def test_faults_are_named_where_they_are(an_account: AnAccount):
    program = await a_program(an_account)
    path = f"{ROOT}/{program['program_id']}"

    unknown = await an_account.call("POST", ROOT, {"name": "x", "template_id": str(UUID(int=9))})
    region = await an_account.call("PATCH", path, {"default_region": "XX"})
    link = await an_account.call("POST", f"{path}/links", {"member": {"email": "nobody"}})
    rows = await an_account.call(
        "POST", f"{path}/links", {"links": [{}, {"values": {"nothing": 1}}, {"external_id": "1"}]}
    )
    twice = await an_account.call(
        "POST",
        f"{path}/links",
        {"links": [{"external_id": "1"}], "member": {"name": "Ada"}, "campaign": "autumn"},
    )
    neither = await an_account.call("POST", f"{path}/revocations", {})
    both = await an_account.call("POST", f"{path}/revocations", {"campaign": "a", "key_id": "b"})
    key = await an_account.call("POST", f"{path}/revocations", {"key_id": "unknown"})
    legacy = await an_account.call("POST", f"{path}/legacy-keys", {"kind": "passkit", "key": "0"})

    assert unknown.faults.keys() == {"/template_id"}
    assert region.faults.keys() == {"/default_region"}
    assert (link.code, link.faults.keys()) == ("link_invalid", {"/member/email"})
    assert ["url" in row for row in rows.json["links"]] == [True, False, True]
    faults = rows.json["links"][1]["error"]["errors"]
    assert [fault["pointer"] for fault in faults] == ["/links/1/values/nothing"]
    assert (twice.status, len(twice.faults)) == (422, 1)
    assert "each says its own campaign and member" in "".join(twice.faults.values())
    assert [answer.status for answer in (neither, both, key, legacy)] == [422] * 4


async def test_the_same_idempotency_key_makes_the_same_links(an_account: AnAccount):
    path = f"{ROOT}/{(await a_program(an_account))['program_id']}/links"

    first, second = [await an_account.call("POST", path, {}, key="once") for _ in range(2)]

    assert first.json == second.json


async def test_only_a_key_with_every_scope_exports_what_seals(an_account: AnAccount):
    program = await a_program(an_account)
    path = f"{ROOT}/{program['program_id']}/key-file"
    less = await an_account.with_scopes("links:read", "links:write")

    refused, exported = await less.call("GET", path), await an_account.call("GET", path)

    assert refused.code == "scope_missing"
    sealer = LinkSealer(
        read_base64url(exported.json["key"]),
        account_id=an_account.account_id,
        program_id=UUID(program["program_id"]),
    )
    token = (await a_link(an_account, program, external_id="4711")).partition("data=")[2]
    claims = LinkClaims.read(sealer.open(token) or b"")
    assert claims is not None
    assert claims.member == {"external_id": "4711"}


async def test_keys_rest_sealed(gateway: Gateway, an_account: AnAccount):
    program = await a_program(an_account)
    path = f"{ROOT}/{program['program_id']}"
    await an_account.call("POST", f"{path}/legacy-keys", {"kind": "passkit", "key": "ab" * 32})
    key = (await an_account.call("GET", f"{path}/key-file")).json["key"]

    rows = await gateway.query("SELECT sealed FROM link_keys")

    assert len(rows) >= 2
    assert all(row["sealed"].startswith("v1.") for row in rows)
    assert not [row for row in rows if key in row["sealed"] or "abab" in row["sealed"]]


async def test_a_program_has_at_most_twenty_keys(an_account: AnAccount):
    path = f"{ROOT}/{(await a_program(an_account))['program_id']}/rotate"

    answers = [await an_account.call("POST", path, {"grace": 0}) for _ in range(20)]

    assert [answer.status for answer in answers] == [200] * 19 + [409]
    assert answers[-1].code == "too_many_link_keys"


async def test_a_grace_ends_the_former_keys(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    Clerk(owners)
    program = await a_program(an_account)
    path = await a_link(an_account, program)

    await an_account.call("POST", f"{ROOT}/{program['program_id']}/rotate", {"grace": 3600})
    meanwhile = await click(gateway, path)
    await an_account.call("POST", f"{ROOT}/{program['program_id']}/rotate", {"grace": 0})

    assert meanwhile.status == 303
    assert (await click(gateway, path)).code == "link_ended"


async def test_a_deleted_program_has_no_links(gateway: Gateway, an_account: AnAccount):
    program = await a_program(an_account)
    path = await a_link(an_account, program)
    await an_account.call("DELETE", f"{ROOT}/{program['program_id']}")

    assert (await click(gateway, path)).code == "link_not_found"


async def test_clicks_at_once_issue_under_one_command(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    Clerk(owners)
    path = await a_link(an_account, await a_program(an_account), external_id="4711")

    clicks = await asyncio.gather(*(click(gateway, path) for _ in range(20)))

    assert {answer.status for answer in clicks} == {303}
    assert len({answer.headers["location"] for answer in clicks}) == 1
    commands = owners.asked_for(CreatePass)
    assert len({command.command_id for command in commands}) == 1
    assert len({command.handle for command in commands}) == 1


async def test_a_click_that_an_owner_could_not_do_is_done_by_the_next(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    clerk = Clerk(owners)
    path = await a_link(an_account, await a_program(an_account), external_id="4711")
    owners.answer(CreatePass, lambda _: UnavailableError())
    away = await click(gateway, path)
    back = Owners(gateway.transport)
    clerk.answer_for(back)

    again = await click(gateway, path)

    assert away.status == 503
    assert again.status == 303
    asked = [*owners.asked_for(CreatePass), *back.asked_for(CreatePass)]
    assert len({command.command_id for command in asked}) == 1
    assert {command.handle for command in asked} == {again.headers["location"].removeprefix("/p/")}


async def test_a_used_up_link_says_no_more_than_an_expired_one(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    clerk = Clerk(owners)
    path = await a_link(an_account, await a_program(an_account), max_uses=1)
    clerk.refusal = GoneError()

    answer = await click(gateway, path)

    assert (answer.status, answer.code) == (410, "link_ended")


async def test_clicks_are_counted_also_of_links_that_have_ended(
    gateway: Gateway, an_account: AnAccount, owners: Owners
):
    Clerk(owners)
    program = await a_program(an_account)
    path = await a_link(an_account, program, campaign="autumn")
    revocations = f"{ROOT}/{program['program_id']}/revocations"
    await click(gateway, path)
    await an_account.call("POST", revocations, {"campaign": "autumn"})
    await click(gateway, path)

    async with asyncio.timeout(10):
        while True:
            rows = await gateway.query(
                "SELECT campaign, clicks FROM link_clicks WHERE program_id = $1",
                UUID(program["program_id"]),
            )
            if [tuple(row) for row in rows] == [("autumn", 2)]:
                break
            await asyncio.sleep(0.05)
