import asyncio
from uuid import UUID

import pytest

from services.gateway.catalogue.claims import KeyReusedError, fingerprint
from tests.integration.gateway.conftest import AnAccount, Gateway

OPERATION = "POST /v1/passes"
PRINT = fingerprint("/v1/passes", b"{}")
TILL = {"name": "till", "scopes": ["scans:write"]}


async def test_request_without_a_key_is_always_new(gateway: Gateway, an_account: AnAccount):
    claims = [
        await gateway.context.claims.claim(an_account.account_id, OPERATION, None, PRINT)
        for _ in range(2)
    ]

    assert claims[0].command_id != claims[1].command_id
    assert not claims[1].replayed


async def test_same_key_gives_the_same_command_id(gateway: Gateway, an_account: AnAccount):
    first, second = [
        await gateway.context.claims.claim(an_account.account_id, OPERATION, "k", PRINT)
        for _ in range(2)
    ]

    assert first.command_id == second.command_id
    assert (first.replayed, second.replayed) == (False, True)


async def test_same_key_at_the_same_time_gives_one_command_id(
    gateway: Gateway, an_account: AnAccount
):
    claims = await asyncio.gather(
        *(
            gateway.context.claims.claim(an_account.account_id, OPERATION, f"k{n % 3}", PRINT)
            for n in range(30)
        )
    )

    assert len({claim.command_id for claim in claims}) == 3
    assert sum(not claim.replayed for claim in claims) == 3


async def test_key_belongs_to_account_and_operation(
    gateway: Gateway, an_account: AnAccount, another_account: AnAccount
):
    places: list[tuple[UUID, str]] = [
        (an_account.account_id, OPERATION),
        (another_account.account_id, OPERATION),
        (an_account.account_id, "POST /v1/other"),
    ]

    claims = [await gateway.context.claims.claim(*place, "k", PRINT) for place in places]

    assert len({claim.command_id for claim in claims}) == 3


async def test_same_key_with_another_body_is_refused(gateway: Gateway, an_account: AnAccount):
    claims = gateway.context.claims
    await claims.claim(an_account.account_id, OPERATION, "k", PRINT)

    with pytest.raises(KeyReusedError):
        await claims.claim(an_account.account_id, OPERATION, "k", fingerprint("/v1/passes", b"[]"))


async def test_twins_with_different_bodies_at_the_same_time(
    gateway: Gateway, an_account: AnAccount
):
    claims, other = gateway.context.claims, fingerprint("/v1/passes", b"[]")

    first, second = await asyncio.gather(
        claims.claim(an_account.account_id, OPERATION, "k", PRINT),
        claims.claim(an_account.account_id, OPERATION, "k", other),
        return_exceptions=True,
    )

    assert not isinstance(first, BaseException)
    assert isinstance(second, KeyReusedError)


async def test_key_is_forgotten_when_its_time_is_over(gateway: Gateway, an_account: AnAccount):
    claims = gateway.context.claims
    first = await claims.claim(an_account.account_id, OPERATION, "old", PRINT)
    await gateway.query("UPDATE idempotency_keys SET expires_at = now() WHERE key = 'old'")

    again = await claims.claim(an_account.account_id, OPERATION, "old", fingerprint("", b""))

    assert again.command_id != first.command_id
    assert not again.replayed


async def test_expired_keys_are_deleted(gateway: Gateway, an_account: AnAccount):
    await gateway.context.claims.claim(an_account.account_id, OPERATION, "gone", PRINT)
    await gateway.context.claims.claim(an_account.account_id, OPERATION, "kept", PRINT)
    await gateway.query("UPDATE idempotency_keys SET expires_at = now() WHERE key = 'gone'")

    await gateway.context.claims.forget_expired()

    rows = await gateway.query(
        "SELECT key FROM idempotency_keys WHERE account_id = $1", an_account.account_id
    )
    assert [row["key"] for row in rows] == ["kept"]


async def test_repeated_post_replays_the_answer_byte_for_byte(an_account: AnAccount):
    first = await an_account.call("POST", "/v1/keys", TILL, key="k")
    again = await an_account.call("POST", "/v1/keys", TILL, key='"k"')

    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert (again.status, again.content) == (first.status, first.content)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["content-type"] == first.headers["content-type"]
    assert len((await an_account.call("GET", "/v1/keys")).json["data"]) == 2


async def test_twin_posts_at_the_same_time_have_one_effect(an_account: AnAccount):
    answers = await asyncio.gather(
        *(an_account.call("POST", "/v1/keys", TILL, key="twin") for _ in range(6))
    )

    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await an_account.call("GET", "/v1/keys")).json["data"]) == 2


async def test_post_with_the_same_key_and_another_body_is_422(an_account: AnAccount):
    await an_account.call("POST", "/v1/keys", TILL, key="k")

    answer = await an_account.call("POST", "/v1/keys", {**TILL, "name": "x"}, key="k")

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_refused_post_does_not_use_up_its_key(an_account: AnAccount):
    clerk = await an_account.with_scopes("keys:write", "scans:write")
    refused = await clerk.call("POST", "/v1/keys", {"name": "x", "scopes": ["*"]}, key="k")

    answer = await clerk.call("POST", "/v1/keys", TILL, key="k")

    assert (refused.status, answer.status) == (403, 201)


async def test_stored_answer_does_not_show_its_secret(gateway: Gateway, an_account: AnAccount):
    made = await an_account.call("POST", "/v1/keys", TILL, key="k")

    (row,) = await gateway.query(
        "SELECT response FROM idempotency_keys WHERE account_id = $1", an_account.account_id
    )
    assert row["response"].startswith("v1.")
    assert made.json["key"] not in row["response"]


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
async def test_malformed_key_is_400(an_account: AnAccount, key: str):
    answer = await an_account.call("POST", "/v1/keys", TILL, key=key)

    assert answer.status == 400
