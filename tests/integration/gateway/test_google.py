"""Google Wallet at the gateway: issuers and their keys, callbacks under Google's signature."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from shared.contracts.message import Done
from shared.contracts.notifier import NoteGoogleCallback
from tests.google.server import ISSUER, FakeGoogle
from tests.integration.gateway.conftest import (
    AnAccount,
    Answer,
    Gateway,
    make_account,
    running_gateway,
)
from tests.integration.gateway.owners import Owners
from tests.servers import new_database

ISSUERS = "/v1/google/issuers"
CALLBACKS = f"/google/callbacks/{ISSUER}"


@pytest_asyncio.fixture(scope="module")
async def google() -> AsyncIterator[FakeGoogle]:
    async with FakeGoogle() as running:
        running.requests_a_second = None
        yield running


@pytest_asyncio.fixture(scope="module")
async def near_google(
    google: FakeGoogle, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateway]:
    """A gateway for which the fake is Google."""
    given = google.settings(tmp_path_factory.mktemp("google") / "root.pem")
    settings = {name.removeprefix("PASSWRIGHT_").lower(): text for name, text in given.items()}
    settings["google_root"] = Path(settings["google_root"])  # type: ignore[assignment]
    async with (
        new_database(database_url) as url,
        running_gateway(url, **settings) as gateway,
    ):
        yield gateway


@pytest_asyncio.fixture
async def owner(near_google: Gateway) -> AnAccount:
    return await make_account(near_google)


@pytest_asyncio.fixture(scope="module")
async def noted(near_google: Gateway) -> list[NoteGoogleCallback]:
    """What the notifier was told of callbacks."""
    owners = Owners(near_google.transport)
    noted: list[NoteGoogleCallback] = []

    def note(command: NoteGoogleCallback) -> Done:
        noted.append(command)
        return Done()

    owners.answer(NoteGoogleCallback, note)
    return noted


async def add(owner: AnAccount, issuer_id: str, key: dict[str, str], **rest: Any) -> Answer:
    body = {"issuer_id": issuer_id, "name": "Beans", "service_account": key, **rest}
    return await owner.call("POST", ISSUERS, body)


async def known_issuer(near_google: Gateway, google: FakeGoogle) -> None:
    """Let the fake's issuer be that of an account here."""
    if await near_google.context.google_issuers.is_known(ISSUER):
        return
    owner = await make_account(near_google)
    assert (await add(owner, ISSUER, google.key_file)).status == 201


async def called_back(gateway: Gateway, body: bytes, issuer_id: str = ISSUER) -> int:
    answer = await gateway.call(
        "POST",
        f"/google/callbacks/{issuer_id}",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    return answer.status


def signed(google: FakeGoogle, event: str = "save", issuer_id: str = ISSUER, **rest: Any) -> bytes:
    """Sign a callback about an object, as Google does."""
    message = {
        "classId": f"{ISSUER}.class",
        "objectId": f"{ISSUER}.object",
        "eventType": event,
        "expTimeMillis": int(google.clock.now().timestamp() * 1000) + 60_000,
        "count": 1,
        "nonce": "nonce-1",
        **rest,
    }
    return orjson.dumps(google.keys.sign(issuer_id, message, google.clock.now()))


async def test_an_invited_account_is_granted_and_its_key_is_never_shown(
    owner: AnAccount, google: FakeGoogle
):
    google.issuer("71")
    key = google.invite("granted", issuer="71")

    answer = await add(owner, "71", key)

    assert (answer.status, answer.json["access"]) == (201, "granted")
    assert answer.json["email"] == key["client_email"]
    assert answer.json["is_default"]
    listed = await owner.call("GET", ISSUERS)
    one = await owner.call("GET", f"{ISSUERS}/71")
    assert [row["issuer_id"] for row in listed.json["data"]] == ["71"]
    told = answer.content + listed.content + one.content
    assert b"PRIVATE" not in told
    assert key["private_key"].encode()[40:80] not in told


async def test_an_account_that_is_not_invited_is_told_whom_to_invite_and_then_granted(
    owner: AnAccount, google: FakeGoogle
):
    google.issuer("72")
    key = google.accounts.create("late", "a-project", google.token_url)

    before = await add(owner, "72", key)
    google.issuer("72").invited.add(key["client_email"])
    after = await owner.call("POST", f"{ISSUERS}/72/check")

    assert (before.status, before.json["access"]) == (201, "not_invited")
    assert key["client_email"] in before.json["access_detail"]
    assert after.json["access"] == "granted"


async def test_a_revoked_key_is_told_and_another_one_takes_over(
    owner: AnAccount, google: FakeGoogle
):
    google.issuer("73")
    old = google.invite("old", issuer="73")
    google.accounts.revoke(old["private_key_id"])

    refused = await add(owner, "73", old)
    new = google.invite("new", issuer="73")
    replaced = await owner.call("PATCH", f"{ISSUERS}/73", {"service_account": new})

    assert refused.json["access"] == "key_refused"
    assert (replaced.json["access"], replaced.json["key_id"]) == ("granted", new["private_key_id"])


@pytest.mark.parametrize(
    ("issuer_id", "changes", "fault"),
    [
        ("123456789012345678901", {}, ("/issuer_id", "client id")),
        ("abc", {}, ("/issuer_id", "19 digits")),
        ("74", {"token_uri": "https://evil.example/token"}, ("/service_account", "token_uri")),
        ("74", {"type": "user"}, ("/service_account", "service_account")),
        ("74", {"private_key": "x"}, ("/service_account", "no private key")),
    ],
)
async def test_what_cannot_be_used_is_refused_by_name(
    owner: AnAccount,
    google: FakeGoogle,
    issuer_id: str,
    changes: dict[str, str],
    fault: tuple[str, str],
):
    answer = await add(owner, issuer_id, {**google.key_file, **changes})

    assert (answer.status, answer.code) == (422, "google_key_invalid")
    pointer, reason = fault
    assert reason in answer.faults[pointer]


async def test_an_issuer_belongs_to_one_account_and_others_do_not_see_it(
    owner: AnAccount, near_google: Gateway, google: FakeGoogle
):
    google.issuer("75")
    key = google.invite("owned", issuer="75")
    await add(owner, "75", key)
    stranger = await make_account(near_google)

    taken = await add(stranger, "75", key)
    seen = await stranger.call("GET", f"{ISSUERS}/75")

    assert (taken.status, taken.code) == (409, "google_issuer_taken")
    assert seen.status == 404


async def test_one_issuer_is_the_default(owner: AnAccount, google: FakeGoogle):
    for number in ("76", "77"):
        google.issuer(number)
        await add(owner, number, google.invite(f"i{number}", issuer=number))

    await owner.call("PATCH", f"{ISSUERS}/77", {"is_default": True})

    listed = (await owner.call("GET", ISSUERS)).json["data"]
    assert {row["issuer_id"]: row["is_default"] for row in listed} == {"76": False, "77": True}


async def test_a_callback_is_noted_under_an_id_that_its_repeat_has_too(
    near_google: Gateway, google: FakeGoogle, noted: list[NoteGoogleCallback]
):
    await known_issuer(near_google, google)
    body = signed(google, nonce="one nonce", note="Gr\u00fc\u00dfe")

    statuses = [await called_back(near_google, body) for _ in range(2)]

    assert statuses == [200, 200]
    [note] = [one for one in noted if one.object_id == f"{ISSUER}.object"]
    assert (note.event_type, note.class_id) == ("save", f"{ISSUER}.class")


async def test_callbacks_that_google_did_not_sign_for_us_are_refused(
    near_google: Gateway, google: FakeGoogle, noted: list[NoteGoogleCallback]
):
    await known_issuer(near_google, google)
    before = len(noted)
    good: dict[str, Any] = orjson.loads(signed(google))
    altered = {**good, "signedMessage": good["signedMessage"].replace("save", "del!")}
    past = int(google.clock.now().timestamp() * 1000) - 1

    statuses = {
        "altered": await called_back(near_google, orjson.dumps(altered)),
        "for another issuer": await called_back(near_google, signed(google, issuer_id="99")),
        "expired": await called_back(near_google, signed(google, expTimeMillis=past)),
        "about another's object": await called_back(
            near_google, signed(google, objectId="99.object")
        ),
        "no JSON": await called_back(near_google, b"no"),
        "a key too many": await called_back(near_google, orjson.dumps({**good, "more": 1})),
        "too long": await called_back(near_google, b"x" * (16 * 1024 + 1)),
        "of nobody": await called_back(near_google, signed(google), issuer_id="404"),
    }

    assert statuses == {
        "altered": 401,
        "for another issuer": 401,
        "expired": 401,
        "about another's object": 401,
        "no JSON": 400,
        "a key too many": 400,
        "too long": 413,
        "of nobody": 404,
    }
    assert len(noted) == before


async def test_fifty_forged_callbacks_lead_to_one_look_at_google_s_keys(
    near_google: Gateway, google: FakeGoogle
):
    await known_issuer(near_google, google)
    await called_back(near_google, signed(google))
    looks = sum("issuer/keys" in request.path for request in google.requests)
    forged = signed(google, issuer_id="99")

    statuses = await asyncio.gather(*(called_back(near_google, forged) for _ in range(50)))

    assert set(statuses) == {401}
    assert sum("issuer/keys" in request.path for request in google.requests) <= looks + 1
