"""Who asks too often is told to wait and nobody else: limits of networks, keys, client hashes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from urllib.parse import urlencode

import pytest_asyncio

from services.gateway.domain import ApiKeyText
from shared.contracts.message import Done
from shared.contracts.notifier import ListUpdated, UnregisterDevice, UpdatedPasses
from tests.integration.gateway.conftest import (
    AnAccount,
    Answer,
    Gateway,
    make_account,
    running_gateway,
)
from tests.integration.gateway.owners import Owners
from tests.integration.gateway.samples import make_template
from tests.integration.gateway.test_pages import a_pass
from tests.integration.gateway.test_passsource import hash_of
from tests.integration.gateway.test_wallet import Device
from tests.servers import new_database

BURST = 5
KEY_BURST = 40
PATIENCE = 400
"""So many requests take less than the seconds in which as many tokens come."""

networks = (f"198.51.{number}.1" for number in count(1))


@pytest_asyncio.fixture(scope="module")
async def gateway(database_url: str) -> AsyncIterator[Gateway]:
    """A gateway that lets one request a second in, from a network or with a key."""
    limits = {
        "limit_per_network": 1,
        "limit_network_burst": BURST,
        "limit_per_key": 1,
        "limit_key_burst": KEY_BURST,
    }
    async with new_database(database_url) as url, running_gateway(url, **limits) as running:
        yield running


def somewhere() -> dict[str, str]:
    """A network that no other test is in, as the proxy names it."""
    return {"X-Forwarded-For": next(networks)}


async def flood(ask: Callable[[], Awaitable[Answer]]) -> list[Answer]:
    """Ask until one is refused; all answers, that one last."""
    answers: list[Answer] = []
    while not answers or answers[-1].status != 429:
        assert len(answers) < PATIENCE, "nothing is ever refused"
        answers.append(await ask())
    return answers


async def exhaust(gateway: Gateway, place: dict[str, str]) -> Answer:
    return (await flood(lambda: gateway.call("GET", "/", headers=place)))[-1]


async def statuses(ask: Callable[[], Awaitable[Answer]], times: int = 20) -> set[int]:
    return {(await ask()).status for _ in range(times)}


async def test_network_that_asks_too_often_is_told_how_long_to_wait(gateway: Gateway):
    place, elsewhere = somewhere(), somewhere()

    answers = await flood(lambda: gateway.call("GET", "/", headers=place))
    refused = answers[-1]

    assert len(answers) > BURST
    assert answers[0].headers["ratelimit-policy"] == f'"network";q={BURST};w={BURST}'
    assert answers[0].headers["ratelimit"] == f'"network";r={BURST - 1}'
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.code, refused.json["type"]) == ("rate_limited", "/problems/rate_limited")
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["ratelimit"] == '"network";r=0;t=1'
    assert (await gateway.call("GET", "/", headers=elsewhere)).status == 200


async def test_neighbours_count_together_and_addresses_of_nothing_too(gateway: Gateway):
    numbers = count(1)
    place = next(networks).removesuffix(".1")

    await flood(
        lambda: gateway.call(
            "GET", "/nowhere", headers={"X-Forwarded-For": f"{place}.{next(numbers) % 250}"}
        )
    )


async def test_made_up_hops_make_no_other_network(gateway: Gateway):
    numbers, place = count(1), next(networks)

    await flood(
        lambda: gateway.call(
            "GET", "/", headers={"X-Forwarded-For": f"203.0.{next(numbers) % 250}.1, {place}"}
        )
    )


async def test_header_of_nobody_trusted_makes_no_other_network(database_url: str):
    numbers = count(1)
    settings = {
        "limit_per_network": 1,
        "limit_network_burst": BURST,
        "trusted_proxies": "10.0.0.0/8",
    }

    async with new_database(database_url) as url, running_gateway(url, **settings) as gateway:
        await flood(
            lambda: gateway.call(
                "GET", "/", headers={"X-Forwarded-For": f"203.0.{next(numbers) % 250}.1"}
            )
        )


async def test_flood_with_one_key_ends_and_leaves_others_of_its_network_alone(
    an_account: AnAccount, another_account: AnAccount
):
    place = somewhere()
    await another_account.call("GET", "/v1/account", headers=place)

    answers = await flood(lambda: an_account.call("GET", "/v1/account", headers=place))

    assert len(answers) > KEY_BURST
    assert answers[0].headers["ratelimit"] == f'"key";r={KEY_BURST - 1}'
    assert answers[-1].headers["ratelimit"].startswith('"key";r=0;t=')
    others = await statuses(lambda: another_account.call("GET", "/v1/account", headers=place))
    assert others == {200}


async def test_good_key_is_let_in_from_a_network_that_has_to_wait(an_account: AnAccount):
    place = somewhere()
    await an_account.call("GET", "/v1/account", headers=place)
    await exhaust(an_account.gateway, place)

    assert await statuses(lambda: an_account.call("GET", "/v1/account", headers=place)) == {200}


async def test_made_up_keys_count_for_the_network_and_not_for_the_key_they_name(
    an_account: AnAccount,
):
    place = somewhere()
    await an_account.call("GET", "/v1/account", headers=place)
    key = ApiKeyText.parse(an_account.key)
    assert key is not None

    def guess() -> Awaitable[Answer]:
        headers = {**place, "X-API-Key": ApiKeyText.make(key.key_id).text}
        return an_account.gateway.call("GET", "/v1/account", headers=headers)

    answers = await flood(guess)

    assert {answer.status for answer in answers[:-1]} == {401}
    assert answers[-1].headers["ratelimit"].startswith('"network"')
    assert await statuses(lambda: an_account.call("GET", "/v1/account", headers=place)) == {200}


async def test_revoked_key_counts_for_its_network(an_account: AnAccount):
    place = somewhere()
    made = (await an_account.call("POST", "/v1/keys", {"name": "gone", "scopes": ["*"]})).json
    gone = AnAccount(an_account.gateway, an_account.account_id, made["key"])
    assert (await gone.call("GET", "/v1/account", headers=place)).status == 200
    await an_account.call("DELETE", f"/v1/keys/{made['key_id']}")

    answers = await flood(lambda: gone.call("GET", "/v1/account", headers=place))

    assert answers[-1].headers["ratelimit"].startswith('"network"')


async def test_phones_of_a_network_that_has_to_wait_go_on(gateway: Gateway, an_account: AnAccount):
    owners, place = Owners(gateway.transport), somewhere()
    owners.answer(ListUpdated, lambda _: UpdatedPasses())
    owners.answer(UnregisterDevice, lambda _: Done())
    device = Device(gateway, owners, a_pass(owners, an_account, await make_template(an_account)))
    await exhaust(gateway, place)

    assert await statuses(lambda: device.unregister(headers=place)) == {200}
    answer = await gateway.call(
        "GET", "/wallet/v1/devices/a/registrations/pass.com.example", headers=place
    )
    assert answer.status == 204
    assert "ratelimit" not in answer.headers


async def test_wrong_tokens_and_logs_of_phones_count(gateway: Gateway):
    one, other = somewhere(), somewhere()
    path = "/wallet/v1/passes/pass.com.example/0123"
    guess = {"Authorization": "ApplePass 0123456789abcdef", **one}

    wrong = await flood(lambda: gateway.call("GET", path, headers=guess))
    logs = await flood(
        lambda: gateway.call("POST", "/wallet/v1/log", {"logs": ["a"]}, headers=other)
    )

    assert [answer.status for answer in wrong[:BURST]] == [401] * BURST
    assert [answer.status for answer in logs[:BURST]] == [200] * BURST
    assert (wrong[-1].content, logs[-1].content) == (b"", b"")


async def test_load_balancer_is_never_refused(gateway: Gateway):
    place = somewhere()
    await exhaust(gateway, place)

    assert await statuses(lambda: gateway.call("GET", "/health", headers=place)) == {200}
    assert 429 not in await statuses(lambda: gateway.call("GET", "/ready", headers=place))


async def test_client_hash_counts_by_itself_and_refusals_speak_its_dialect(an_account: AnAccount):
    gateway, place = an_account.gateway, somewhere()
    path = f"/api/clientInfo.php?{urlencode({'clientHash': await hash_of(an_account)})}"
    assert (await gateway.call("GET", path, headers=place)).json["success"]

    refused = await flood(lambda: gateway.call("GET", "/api/passInfo.php", headers=place))

    assert refused[-1].json == {"success": False, "message": refused[-1].json["message"]}
    assert refused[-1].headers["retry-after"] == "1"
    assert await statuses(lambda: gateway.call("GET", path, headers=place)) == {200}
    assert (await gateway.call("GET", path, headers=place)).headers["ratelimit"].startswith('"key"')


async def test_browser_is_told_by_a_page(gateway: Gateway):
    place = {**somewhere(), "Accept": "text/html"}

    refused = (await flood(lambda: gateway.call("GET", "/p/0", headers=place)))[-1]

    assert refused.headers["content-type"].startswith("text/html")
    assert refused.headers["retry-after"] == "1"


async def test_limit_of_zero_is_none(database_url: str):
    place, none = somewhere(), {"limit_per_network": 0, "limit_per_key": 0}

    async with new_database(database_url) as url, running_gateway(url, **none) as gateway:
        account = await make_account(gateway)
        public = [await gateway.call("GET", "/", headers=place) for _ in range(50)]
        own = [await account.call("GET", "/v1/account") for _ in range(50)]

    assert {answer.status for answer in public + own} == {200}
    assert not any("ratelimit" in answer.headers for answer in public + own)
