"""Lists of members, and of changes: made, changed, erased again."""

import asyncio
from collections import Counter
from typing import Any

from services.gateway.domain.batches import CHUNK_ROWS
from services.gateway.handlers import erase_members
from shared.contracts.member import (
    ErasedMember,
    MembersErased,
    digest_external_id,
)
from shared.contracts.triggers import (
    ChangePass,
    ListPasses,
    PassPage,
)
from tests.integration.gateway.batches.batching import (
    PATIENCE,
    POINTS,
    Gate,
    People,
    begun,
    ended,
    result,
)
from tests.integration.gateway.conftest import (
    PUBLIC_URL,
    AnAccount,
    Gateway,
)
from tests.integration.gateway.owners import Owners, a_member


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


def gone(account: AnAccount, member_id: str, external_id: str | None = None) -> MembersErased:
    digest = external_id and digest_external_id(account.account_id, external_id)
    member = ErasedMember(
        account_id=account.account_id, member_id=member_id, external_id_digest=digest
    )
    return MembersErased(members=[member])


async def erase(gateway: Gateway, message: MembersErased) -> None:
    batches, member_passes = gateway.context.batches, gateway.context.member_passes
    async with gateway.context.database.work() as work:
        await erase_members([message], work, batches=batches, member_passes=member_passes)


async def test_erased_member_is_taken_out_of_rows_and_results(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    rows = "external_id,name\ne1,Ada\ne2,Bob\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await ended(an_account, batch_id)
    first, _ = await result(an_account, batch_id)
    member_id = owners.passes[first["handle"]].member_id
    assert member_id is not None

    await erase(gateway, gone(an_account, member_id))
    erased, left = await result(an_account, batch_id)

    assert erased == {
        "external_id": "",
        "name": "",
        "link": first["link"],
        "handle": first["handle"],
        "error": "The member was erased.",
    }
    assert (left["external_id"], left["error"]) == ("e2", "")


async def test_links_for_an_external_id_of_an_erased_member_are_taken_out_of_results(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount, template_id: str
):
    body = {"name": "Autumn", "template_id": template_id, "auto_fill_external_id": "email"}
    program_id = (await an_account.call("POST", "/v1/link-programs", body)).json["program_id"]
    rows = (
        "externalId,name,email\n,Ada,Ada@Beans.example\n,Ada again,ada@beans.example\n"
        "ada@beans.example,Ada,\n,Bob,bob@beans.example\n"
    )
    batch_id = await begun(an_account, rows, kind="links", program_id=program_id)
    await ended(an_account, batch_id)
    said = "ada@beans.example"

    await erase(gateway, gone(another_account, "ada", said))
    untouched = await result(an_account, batch_id)
    await erase(gateway, gone(an_account, "ada", said))
    *erased, left = await result(an_account, batch_id)

    assert [row["name"] for row in untouched] == ["Ada", "Ada again", "Ada", "Bob"]
    nobody = {"externalId": "", "name": "", "email": "", "link": ""}
    assert erased == [{**nobody, "error": "The member was erased."}] * 3
    assert left["link"].startswith(f"{PUBLIC_URL}/c/{program_id}?data=")


async def test_links_are_found_by_what_their_program_fills_external_ids_from_later(
    gateway: Gateway, an_account: AnAccount, template_id: str
):
    body = {"name": "Autumn", "template_id": template_id}
    program_id = (await an_account.call("POST", "/v1/link-programs", body)).json["program_id"]
    rows = "email,phone\nAda@Beans.example,+491712345678\nbob@beans.example,\n"
    batch_id = await begun(an_account, rows, kind="links", program_id=program_id)
    await ended(an_account, batch_id)

    await erase(gateway, gone(an_account, "ada", "ada@beans.example"))
    erased, left = await result(an_account, batch_id)

    assert erased == {"email": "", "phone": "", "link": "", "error": "The member was erased."}
    assert left["email"] == "bob@beans.example"


async def test_rows_that_name_an_erased_member_are_taken_out_whether_they_were_done_or_not(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    gate = Gate(owners)
    rows = f"templateId,external_id,name\nnone,e1,Ada\n{template_id},e1,Ada\n"
    many = rows + f"{template_id},,Bob\n" * CHUNK_ROWS + f"{template_id},e2,Ada\n"
    failed = await begun(an_account, "templateId,external_id\nnone,e1\n", kind="passes")
    await ended(an_account, failed)
    batch_id = await begun(an_account, many, kind="passes")

    await an_account.call("POST", f"/v1/batches/{batch_id}/pause")
    for external_id in ("e1", "e2"):
        await erase(gateway, gone(an_account, "ada", external_id))
    await an_account.call("POST", f"/v1/batches/{batch_id}/cancel")
    gate.is_open = True
    found = await result(an_account, batch_id)
    (row,) = await result(an_account, failed)

    assert (row["external_id"], row["error"]) == ("", "The member was erased.")
    assert Counter((one["external_id"], one["name"]) for one in found) == {
        ("", ""): 3,
        ("", "Bob"): CHUNK_ROWS,
    }


async def test_failed_rows_that_name_an_erased_member_by_its_id_are_taken_out(
    gateway: Gateway, an_account: AnAccount, template_id: str
):
    queries: list[dict[str, str]] = [
        {"kind": "passes", "template_id": template_id},
        {"kind": "members"},
    ]
    for query in queries:
        batch_id = await begun(an_account, "member_id,name\nada,Ada,more\n", **query)
        await ended(an_account, batch_id)
        (failed,) = await result(an_account, batch_id)

        await erase(gateway, gone(an_account, "ada"))
        (erased,) = await result(an_account, batch_id)

        assert failed["member_id"] == "ada"
        assert failed["error"]
        assert (erased["member_id"], erased["error"]) == ("", "The member was erased.")


async def test_row_that_names_an_erased_member_is_not_done(
    gateway: Gateway, an_account: AnAccount, template_id: str, owners: Owners, people: People
):
    gate = Gate(owners)
    rows = "external_id,name\n,Bob\ne1,Ada\n"
    batch_id = await begun(an_account, rows, kind="passes", template_id=template_id)
    await an_account.call("POST", f"/v1/batches/{batch_id}/pause")
    async with asyncio.timeout(PATIENCE):
        while await is_in_hand(gateway, batch_id):
            await asyncio.sleep(0.02)

    await erase(gateway, gone(an_account, "ada", "e1"))
    gate.is_open = True
    await an_account.call("POST", f"/v1/batches/{batch_id}/resume")
    batch = await ended(an_account, batch_id)
    bob, erased = await result(an_account, batch_id)

    assert batch["failed"] == 1
    assert (erased["link"], erased["error"]) == ("", "The member was erased.")
    assert (bob["name"], bob["error"]) == ("Bob", "")


async def is_in_hand(gateway: Gateway, batch_id: str) -> bool:
    """Whether rows of a batch are being done."""
    async with gateway.context.database.connection() as connection:
        return await connection.fetchval(
            """
            SELECT count(*) > 0
            FROM batch_chunks
            WHERE batch_id = $1 AND leased_until > now()
            """,
            batch_id,
        )


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

    await erase(gateway, gone(an_account, enrolment.member_id))
    gate.is_open = True
    await ended(an_account, batch_id)
    (row,) = await result(an_account, batch_id)

    assert (row["name"], row["error"]) == ("", "The member was erased.")
