"""Tokens are given for assertions as Google wants them, and for no others."""

from datetime import timedelta
from typing import Any

import jwt
import pytest

from tests.google.accounts import GOOGLES_TOKEN_URL
from tests.google.server import FakeGoogle
from tests.integration.google.issuer import IssuerServer, an_issuer_server


async def test_a_token_is_given_for_a_signed_assertion(issuer: IssuerServer):
    answer = await issuer.token(issuer.assertion())

    assert answer.status == 200
    assert answer.body["token_type"] == "Bearer"
    assert answer.body["expires_in"] == 3599


async def test_the_audience_may_also_be_google_itself(issuer: IssuerServer):
    assert (await issuer.token(issuer.assertion(aud=GOOGLES_TOKEN_URL))).status == 200


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"iss": "stranger@example.com"}, "invalid_grant"),
        ({"iss": None}, "invalid_grant"),
        ({"aud": "https://example.com/token"}, "invalid_grant"),
        ({"aud": None}, "invalid_grant"),
        ({"iat": None}, "invalid_grant"),
        ({"exp": None}, "invalid_grant"),
        ({"exp": timedelta(seconds=3700)}, "invalid_grant"),
        ({"iat": timedelta(hours=-2), "exp": timedelta(hours=-1)}, "invalid_grant"),
        ({"iat": timedelta(seconds=1000)}, "invalid_grant"),
        ({"iat": "1795767106"}, "invalid_grant"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, "invalid_scope"),
        ({"scope": None}, "invalid_scope"),
    ],
    ids=str,
)
async def test_an_assertion_with_a_wrong_claim_is_refused(
    issuer: IssuerServer, claims: dict[str, Any], error: str
):
    answer = await issuer.token(issuer.assertion(**claims))

    assert (answer.status, answer.body["error"]) == (400, error)


async def test_an_assertion_that_another_key_signed_is_refused(
    google: FakeGoogle, issuer: IssuerServer
):
    other = google.accounts.create("other", "a-project", google.token_url)
    claims = jwt.decode(issuer.assertion(), options={"verify_signature": False})
    kid = {"kid": issuer.key_file["private_key_id"]}
    forged = jwt.encode(claims, other["private_key"], "RS256", kid)

    assert (await issuer.token(forged)).body["error"] == "invalid_grant"


async def test_an_assertion_must_name_its_key(issuer: IssuerServer):
    claims = jwt.decode(issuer.assertion(), options={"verify_signature": False})
    nameless = jwt.encode(claims, issuer.key_file["private_key"], "RS256")

    assert (await issuer.token(nameless)).body["error"] == "invalid_grant"


@pytest.mark.parametrize("assertion", ["", "no.j.wt", "x"])
async def test_what_is_no_jwt_is_refused(issuer: IssuerServer, assertion: str):
    assert (await issuer.token(assertion)).body["error"] == "invalid_grant"


async def test_other_grants_are_refused(issuer: IssuerServer):
    answer = await issuer.token(issuer.assertion(), grant_type="password")

    assert answer.body["error"] == "unsupported_grant_type"


async def test_a_revoked_key_gets_no_token_and_its_tokens_end(
    google: FakeGoogle, issuer: IssuerServer
):
    google.accounts.revoke(issuer.key_file["private_key_id"])

    assert (await issuer.token(issuer.assertion())).body["error"] == "invalid_grant"
    assert (await issuer.ask("GET", "issuer")).status == 401


async def test_a_new_key_of_the_same_account_works_beside_the_old_one(
    google: FakeGoogle, issuer: IssuerServer
):
    async with an_issuer_server(google, google.invite("an-issuer")) as renewed:
        google.accounts.revoke(issuer.key_file["private_key_id"])

        assert renewed.key_file["client_email"] == issuer.key_file["client_email"]
        assert (await renewed.ask("GET", "issuer")).status == 200


async def test_a_token_ends_after_an_hour_of_googles_clock(
    google: FakeGoogle, issuer: IssuerServer
):
    google.clock.advance(seconds=3599)

    answer = await issuer.ask("GET", "issuer")

    assert (answer.status, answer.reason) == (401, "authError")
    assert answer.body["error"]["status"] == "UNAUTHENTICATED"


async def test_a_client_whose_clock_is_behind_googles_gets_tokens(
    google: FakeGoogle, issuer: IssuerServer
):
    google.clock.advance(hours=24)

    await issuer.log_in()

    assert (await issuer.ask("GET", "issuer")).status == 200


@pytest.mark.parametrize("bearer", ["", "ya29.unknown"])
async def test_a_request_without_a_token_is_not_authenticated(issuer: IssuerServer, bearer: str):
    issuer.bearer = bearer

    assert (await issuer.ask("GET", "issuer")).status == 401
