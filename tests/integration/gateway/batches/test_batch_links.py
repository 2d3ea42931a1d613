"""Lists of links, sealed and short ones."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.gateway.domain.links import LinkMaker, LinkOrder
from services.gateway.usecases import batch_rows
from shared.contracts.triggers import (
    CreatePass,
)
from shared.errors import InternalError
from shared.passes.language.rights import Withheld
from shared.passes.links.tokens import LinkClaims
from tests.integration.gateway.batches.batching import (
    POINTS,
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
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template


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


async def test_a_row_that_fails_in_a_way_nobody_foresaw_fails_alone(
    an_account: AnAccount, template_id: str, monkeypatch: pytest.MonkeyPatch
):
    program_id = await a_program(an_account, template_id)
    claims = LinkMaker.claims

    def breaking(maker: LinkMaker, order: LinkOrder, withheld: Sequence[Withheld]) -> LinkClaims:
        if order.member.get("name") == "Breaker":
            raise ValueError("secret")
        return claims(maker, order, withheld)

    monkeypatch.setattr(LinkMaker, "claims", breaking)
    monkeypatch.setattr(batch_rows, "MAX_ATTEMPTS", 2)
    rows = "name\nAda\nBreaker\nBob\n"
    batch_id = await begun(an_account, rows, kind="links", program_id=program_id)
    batch = await ended(an_account, batch_id)
    ada, breaker, bob = await result(an_account, batch_id)

    assert (batch["state"], batch["failed"]) == ("finished", 1)
    assert (breaker["link"], breaker["error"]) == ("", InternalError().detail)
    assert ada["link"]
    assert bob["link"]


async def test_columns_of_links_are_judged_first(an_account: AnAccount, template_id: str):
    program_id = await a_program(an_account, template_id)

    answers = [
        await send(an_account, "person.nam,logoTxt\n1,2\n", kind="links", program_id=program_id),
        await send(an_account, "name\nx\n", kind="links", program_id=str(UUID(int=0))),
        await send(an_account, "name\nx\n", kind="passes", program_id=program_id),
        await send(
            an_account,
            "externalId,MEMBERS.externalId,campaign,utm_campaign\n1,2,3,4\n",
            kind="links",
            program_id=program_id,
        ),
    ]

    assert [list(answer.faults) for answer in answers] == [
        ["/1/logoTxt"], ["?program_id"], ["?program_id"],
        ["/1/MEMBERS.externalId", "/1/utm_campaign"],
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
