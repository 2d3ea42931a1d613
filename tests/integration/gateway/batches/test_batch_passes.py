"""Lists of passes: which rows become which, and whose."""

from urllib.parse import quote
from uuid import UUID

import orjson

from shared.contracts.triggers import (
    CreatePass,
)
from shared.hashes import template_hash
from tests.integration.gateway.batches.batching import (
    POINTS,
    Gate,
    People,
    begun,
    ended,
    result,
    send,
)
from tests.integration.gateway.conftest import (
    PUBLIC_URL,
    AnAccount,
    Gateway,
)
from tests.integration.gateway.owners import Owners, a_member
from tests.integration.gateway.samples import make_template


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


async def test_columns_of_a_list_made_for_passkit_are_understood_in_any_case_of_letters(
    an_account: AnAccount, owners: Owners, people: People
):
    template_id = await make_template(an_account, properties={"seat": ""})
    head = (
        "Members.ExternalId,members.points,person.forename,PERSON.SURNAME,person.emailAddress,"
        "UTM_Source,universal.expiryDate,meta.Seat,universal.info"
    )
    rows = (
        "e1,5,Percy,PassKit,percy@example.com,mailing,2027-01-31T00:00:00Z,12A,x\n"
        "e1,,,,,,,,\n"
        f"e2,,,,,{'m' * 81},,,\n"
    )

    batch_id = await begun(an_account, f"{head}\n{rows}", kind="passes", template_id=template_id)
    await ended(an_account, batch_id)
    percy, twin, long = await result(an_account, batch_id)

    made = owners.asked_for(CreatePass)[0]
    assert made.values == {"expirationDate": "2027-01-31T00:00:00Z", "seat": "12A"}
    assert made.channel is not None
    assert made.channel.source == "mailing"
    member = owners.passes[percy["handle"]].member or {}
    assert (member["name"], member["points"]) == ("Percy PassKit", 5)
    assert (member["external_id"], member["email"]) == ("e1", "percy@example.com")
    assert twin["error"] == "It has the same external_id as line 2."
    assert long["error"] == "Cells of utm_ have at most 80 characters."


async def test_columns_that_mean_the_same_by_passkits_name_are_refused(
    an_account: AnAccount, template_id: str
):
    for head in ("external_id,members.externalId", "expirationDate,universal.expiryDate"):
        answer = await send(an_account, f"{head}\n1,2\n", kind="passes", template_id=template_id)

        assert (answer.status, answer.code) == (422, "batch_columns")
