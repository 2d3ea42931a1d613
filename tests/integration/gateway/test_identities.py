from base64 import b64encode
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    pkcs12,
)

from shared import clock
from shared.contracts.gateway import IDENTITY_PURPOSE, IdentitySaved
from shared.passes.development import DevelopmentAuthority
from shared.passes.identities import SigningIdentity, identity_from_pem, identity_to_pem
from tests.integration.gateway.conftest import AnAccount, Gateway
from tests.integration.gateway.test_templates import a_card, saved_card

TYPE = "pass.com.example.coffee"
AUTHORITY = DevelopmentAuthority.create(clock.now() - timedelta(days=900))
"""The certificates of these tests count as development ones; all else about them is real."""


def an_identity(pass_type: str = TYPE, *, age: int = 0) -> SigningIdentity:
    return AUTHORITY.issue(pass_type, "ABCDE12345", "Example", clock.now() - timedelta(days=age))


def as_p12(identity: SigningIdentity, password: str, *, chain: bool = True) -> dict[str, Any]:
    content = pkcs12.serialize_key_and_certificates(
        b"pass",
        identity.private_key,
        identity.certificate,
        list(identity.intermediates) if chain else None,
        BestAvailableEncryption(password.encode()),
    )
    return {"p12": b64encode(content).decode(), "password": password}


def as_pem(identity: SigningIdentity) -> dict[str, Any]:
    return {"pem": identity_to_pem(identity).decode()}


async def test_uploaded_identity_is_described_and_announced_sealed(
    gateway: Gateway, an_account: AnAccount
):
    identity = an_identity()

    answer = await an_account.call("POST", "/v1/identities", as_p12(identity, "secret"))

    assert answer.status == 201
    assert answer.json["pass_type_identifier"] == TYPE
    assert answer.json["team_identifier"] == "ABCDE12345"
    assert answer.json["fingerprint"] == identity.fingerprint
    assert answer.json["revision"] == 1
    assert "sealed" not in answer.json
    saved = [
        IdentitySaved.model_validate(body)
        for _, body in await gateway.announced(an_account.account_id)
        if body["identity_id"] == answer.json["identity_id"]
    ]
    pem = gateway.master_keys.open(
        saved[0].sealed, purpose=IDENTITY_PURPOSE, owner=str(an_account.account_id)
    )
    assert len(saved) == 1
    assert identity_from_pem(pem).fingerprint == identity.fingerprint


async def test_identity_is_shown_and_listed(an_account: AnAccount):
    uploaded = await an_account.call("POST", "/v1/identities", as_pem(an_identity()))

    shown = await an_account.call("GET", uploaded.headers["location"])
    listed = await an_account.call("GET", "/v1/identities")

    assert shown.json == uploaded.json
    assert [one["pass_type_identifier"] for one in listed.json["data"]] == [
        f"pass.development.{an_account.account_id.hex[-12:]}",
        TYPE,
    ]


async def test_list_of_identities_has_pages(an_account: AnAccount):
    await an_account.call("POST", "/v1/identities", as_pem(an_identity()))

    first = await an_account.call("GET", "/v1/identities?limit=1")
    second = await an_account.call(
        "GET", f"/v1/identities?limit=1&cursor={first.json['next_cursor']}"
    )

    assert len(first.json["data"]) == len(second.json["data"]) == 1
    assert first.json["data"] != second.json["data"]
    assert second.json["next_cursor"] is None


async def test_certificate_for_the_same_pass_type_is_the_next_revision(
    gateway: Gateway, an_account: AnAccount
):
    first = await an_account.call("POST", "/v1/identities", as_pem(an_identity(age=1)))
    second = await an_account.call("POST", "/v1/identities", as_pem(an_identity()))

    assert (first.status, second.status) == (201, 200)
    assert first.json["identity_id"] == second.json["identity_id"]
    assert second.json["revision"] == 2
    revisions = [
        body["revision"]
        for _, body in await gateway.announced(an_account.account_id)
        if body["identity_id"] == first.json["identity_id"]
    ]
    assert revisions == [1, 2]


async def test_same_certificate_again_is_no_new_revision(an_account: AnAccount):
    identity = an_identity()
    first = await an_account.call("POST", "/v1/identities", as_pem(identity))
    again = await an_account.call("POST", "/v1/identities", as_p12(identity, "x"))

    assert again.json == first.json


async def test_same_pass_type_in_two_accounts_is_two_identities(
    an_account: AnAccount, another_account: AnAccount
):
    identity = as_pem(an_identity())

    mine = await an_account.call("POST", "/v1/identities", identity)
    theirs = await another_account.call("POST", "/v1/identities", identity)

    assert mine.json["identity_id"] != theirs.json["identity_id"]
    assert (await another_account.call("GET", mine.headers["location"])).status == 404


async def test_wrong_password_is_422(an_account: AnAccount):
    body = {**as_p12(an_identity(), "right"), "password": "wrong"}

    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "identity_password_wrong")


async def test_expired_certificate_is_422(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/identities", as_pem(an_identity(age=800)))

    assert (answer.status, answer.code) == (422, "identity_expired")


async def test_certificate_with_the_key_of_another_is_422(an_account: AnAccount):
    key = as_pem(an_identity())["pem"].partition("-----BEGIN CERTIFICATE")[0]
    certificates = as_pem(an_identity())["pem"].partition("-----BEGIN CERTIFICATE")
    mixed = key + certificates[1] + certificates[2]

    answer = await an_account.call("POST", "/v1/identities", {"pem": mixed})

    assert (answer.status, answer.code) == (422, "identity_key_mismatch")


async def test_certificate_without_its_issuer_is_422(an_account: AnAccount):
    body = as_p12(an_identity(), "x", chain=False)

    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "identity_intermediate_missing")


@pytest.mark.parametrize(
    "body",
    [{}, {"p12": "AAAA"}, {"pem": "nothing"}, {"p12": "AAAA", "pem": "both"}],
)
async def test_broken_identity_is_422(an_account: AnAccount, body: dict[str, str]):
    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "identity_broken")


async def test_file_over_64_kib_is_422(an_account: AnAccount):
    big = b64encode(b"x" * (65 * 1024)).decode()

    answer = await an_account.call("POST", "/v1/identities", {"p12": big})

    assert (answer.status, answer.code) == (422, "identity_too_large")


async def test_body_over_the_limit_is_413(an_account: AnAccount):
    answer = await an_account.call("POST", "/v1/identities", {"p12": "A" * (1024 * 1024)})

    assert answer.status == 413


@pytest.mark.parametrize("body", [{"p12": 7}, {"pem": ["x"]}, {"password": "x", "key": "y"}])
async def test_wrong_types_are_422(an_account: AnAccount, body: dict[str, object]):
    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "invalid")


async def test_same_key_with_another_password_is_422(an_account: AnAccount):
    body = as_pem(an_identity())
    await an_account.call("POST", "/v1/identities", {**body, "password": "a"}, key="k")

    answer = await an_account.call("POST", "/v1/identities", {**body, "password": "b"}, key="k")

    assert (answer.status, answer.code) == (422, "idempotency_key_reused")


async def test_reader_may_not_upload(an_account: AnAccount):
    reader = await an_account.with_scopes("identities:read")

    answer = await reader.call("POST", "/v1/identities", as_pem(an_identity()))

    assert answer.status == 403


@pytest.mark.parametrize("identity_id", ["x", "019a0000-0000-7000-8000-000000000000"])
async def test_unknown_identity_is_404(an_account: AnAccount, identity_id: str):
    answer = await an_account.call("GET", f"/v1/identities/{identity_id}")

    assert (answer.status, answer.code) == (404, "identity_not_found")


async def test_template_takes_the_development_identity_when_there_is_no_other(
    an_account: AnAccount,
):
    (own,) = (await an_account.call("GET", "/v1/identities")).json["data"]

    created = await saved_card(an_account)

    assert created.json["identity_id"] == own["identity_id"]


async def test_template_takes_the_newest_real_identity(gateway: Gateway, an_account: AnAccount):
    uploaded = await an_account.call("POST", "/v1/identities", as_pem(an_identity()))
    await _make_real(gateway, uploaded.json["identity_id"])

    created = await saved_card(an_account)

    assert created.json["identity_id"] == uploaded.json["identity_id"]


async def test_template_moves_from_the_development_identity_to_a_real_one_for_good(
    gateway: Gateway, an_account: AnAccount
):
    created = await saved_card(an_account)
    path, development = created.headers["location"], created.json["identity_id"]
    uploaded = await an_account.call("POST", "/v1/identities", as_pem(an_identity()))
    real = uploaded.json["identity_id"]
    await _make_real(gateway, real)

    moved = await an_account.call("PUT", path, a_card(identity_id=real))
    back = await an_account.call("PUT", path, a_card(identity_id=development))
    stays = await an_account.call("PUT", path, a_card(name="Tea"))

    assert (moved.json["revision"], moved.json["identity_id"]) == (2, real)
    assert (back.status, back.code) == (409, "template_identity_fixed")
    assert stays.json["identity_id"] == real


async def test_identity_of_another_account_is_422(
    an_account: AnAccount, another_account: AnAccount
):
    (theirs,) = (await another_account.call("GET", "/v1/identities")).json["data"]

    answer = await an_account.call(
        "POST", "/v1/templates", a_card(identity_id=theirs["identity_id"])
    )

    assert (answer.status, answer.code) == (422, "identity_unknown")


async def _make_real(gateway: Gateway, identity_id: str) -> None:
    """Only Apple issues real ones; these differ in nothing else."""
    await gateway.query(
        "UPDATE identities SET development = false WHERE identity_id = $1", identity_id
    )
