import asyncio
from base64 import b64decode, b64encode
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from services.gateway.catalogue.identities import Identities
from services.gateway.catalogue.identity_reader import (
    MAX_WAITING,
    MAX_WAITING_OF_ACCOUNT,
    Files,
    IdentityReader,
    TooManyUploadsError,
)
from shared import clock
from shared.contracts.gateway import IDENTITY_PURPOSE, IdentitySaved
from shared.database import Database
from shared.identifiers import new_id
from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import SigningIdentity, identity_from_pem, identity_to_pem
from shared.passes.apple.identity_files import SlowIdentityError
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


def as_files(*certificates: x509.Certificate) -> dict[str, Any]:
    files = [one.public_bytes(Encoding.DER) for one in certificates]
    return {"certificates": [b64encode(one).decode() for one in files]}


def certified(csr: str, issuer: str = "Apple") -> dict[str, Any]:
    """Answer a request as Apple does: the certificate and that of its issuer, as .cer files."""
    root = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{issuer} Root CA")])
    middle = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{issuer} WWDR")])
    subject = [
        x509.NameAttribute(NameOID.USER_ID, TYPE),
        x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, "ABCDE12345"),
    ]
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    public = x509.load_pem_x509_csr(csr.encode()).public_key()
    return as_files(
        _certificate(x509.Name(subject), public, middle, key),
        _certificate(middle, key.public_key(), root, root_key),
    )


def _certificate(
    subject: x509.Name, public: Any, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(clock.now() - timedelta(days=1))
        .not_valid_after(clock.now() + timedelta(days=365))
        .sign(key, hashes.SHA256())
    )


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


async def test_issuer_may_come_in_a_file_of_its_own(an_account: AnAccount):
    identity = an_identity()
    body = as_p12(identity, "x", chain=False) | as_files(*identity.intermediates)

    answer = await an_account.call("POST", "/v1/identities", body)

    assert answer.status == 201


async def test_certificate_of_a_request_makes_an_identity_with_the_key_made_here(
    gateway: Gateway, an_account: AnAccount
):
    requested = await an_account.call("POST", "/v1/identities/requests", {})
    certificate = certified(requested.json["csr"])

    uploaded = await an_account.call("POST", "/v1/identities", certificate)
    again = await an_account.call("POST", "/v1/identities", certificate)
    left = await an_account.call("GET", "/v1/identities/requests")

    assert (requested.status, uploaded.status, again.status) == (201, 201, 201)
    assert again.json["revision"] == uploaded.json["revision"] == 1
    assert left.json == {"data": []}
    (saved,) = [
        body
        for _, body in await gateway.announced(an_account.account_id)
        if body["identity_id"] == uploaded.json["identity_id"]
    ]
    pem = gateway.master_keys.open(
        saved["sealed"], purpose=IDENTITY_PURPOSE, owner=str(an_account.account_id)
    )
    assert identity_from_pem(pem).fingerprint == uploaded.json["fingerprint"]


async def test_request_shows_no_private_key_and_keeps_it_sealed(
    gateway: Gateway, an_account: AnAccount
):
    requested = await an_account.call(
        "POST", "/v1/identities/requests", {"name": "Coffee"}, key="k"
    )
    repeated = await an_account.call("POST", "/v1/identities/requests", {"name": "Coffee"}, key="k")
    listed = await an_account.call("GET", "/v1/identities/requests")
    (kept,) = await gateway.query(
        "SELECT sealed FROM identity_requests WHERE account_id = $1", an_account.account_id
    )

    csr = x509.load_pem_x509_csr(requested.json["csr"].encode())
    assert csr.is_signature_valid
    assert csr.subject.rfc4514_string() == "CN=Coffee"
    assert repeated.json == requested.json
    assert listed.json == {"data": [requested.json]}
    assert set(requested.json) == {"request_id", "csr", "created_at"}
    assert "PRIVATE" not in kept["sealed"]


async def test_certificate_for_a_request_of_another_account_is_422(
    an_account: AnAccount, another_account: AnAccount
):
    requested = await another_account.call("POST", "/v1/identities/requests", {})

    answer = await an_account.call("POST", "/v1/identities", certified(requested.json["csr"]))

    assert (answer.status, answer.code) == (422, "identity_key_missing")


async def test_deleted_request_is_gone_and_nobody_else_can_delete_it(
    an_account: AnAccount, another_account: AnAccount
):
    requested = await an_account.call("POST", "/v1/identities/requests", {})
    address = f"/v1/identities/requests/{requested.json['request_id']}"

    foreign = await another_account.call("DELETE", address)
    deleted = await an_account.call("DELETE", address)
    again = await an_account.call("DELETE", address)
    late = await an_account.call("POST", "/v1/identities", certified(requested.json["csr"]))

    assert (foreign.status, deleted.status, again.status) == (404, 204, 404)
    assert again.code == "identity_request_not_found"
    assert late.code == "identity_key_missing"


async def test_account_has_at_most_ten_open_requests(an_account: AnAccount):
    answers = [await an_account.call("POST", "/v1/identities/requests", {}) for _ in range(11)]

    assert [one.status for one in answers] == [201] * 10 + [409]
    assert answers[-1].code == "too_many_identity_requests"


async def test_chain_that_is_not_apples_is_warned_of(an_account: AnAccount):
    requested = await an_account.call("POST", "/v1/identities/requests", {})

    strange = await an_account.call(
        "POST", "/v1/identities", certified(requested.json["csr"], "A Stranger")
    )
    shown = await an_account.call("GET", strange.headers["location"])

    assert strange.json["root"] == "A Stranger Root CA"
    assert not strange.json["development"]
    assert "A Stranger Root CA" in strange.json["warnings"][0]
    assert shown.json["warnings"] == strange.json["warnings"]


async def test_template_says_what_is_odd_about_its_identity(an_account: AnAccount):
    created = await saved_card(an_account)
    path = created.headers["location"]
    requested = await an_account.call("POST", "/v1/identities/requests", {})
    strange = await an_account.call(
        "POST", "/v1/identities", certified(requested.json["csr"], "A Stranger")
    )

    kept = await an_account.call("PUT", path, a_card(name="Tea"))
    moved = await an_account.call("PUT", path, a_card(identity_id=strange.json["identity_id"]))
    stays = await an_account.call("PUT", path, a_card(name="Tea"))
    another = await saved_card(an_account)
    check = await an_account.call("POST", "/v1/templates/check", a_card())

    told = [told_of_identity(one.json["warnings"]) for one in (created, kept, moved, stays)]
    assert told == [[], [], strange.json["warnings"], strange.json["warnings"]]
    assert told_of_identity(another.json["warnings"]) == strange.json["warnings"]
    assert told_of_identity(check.json["findings"]) == strange.json["warnings"]


def told_of_identity(findings: list[dict[str, Any]]) -> list[str]:
    return [one["detail"] for one in findings if one["path"] == "$.identity_id"]


@pytest.mark.parametrize("base_url", ["http://passes.example", "https://passes.example"])
async def test_real_identity_behind_plain_http_is_warned_of(
    gateway: Gateway, an_account: AnAccount, base_url: str
):
    uploaded = await an_account.call("POST", "/v1/identities", as_pem(an_identity()))
    await _make_real(gateway, uploaded.json["identity_id"])
    database = Database(gateway.database_url, schema="gateway", size=1)
    await database.start()
    identities = Identities(database, gateway.master_keys, base_url)

    with capture_logs() as lines:
        await identities.warn_of_plain_http()
    identity = await identities.get(an_account.account_id, UUID(uploaded.json["identity_id"]))
    warnings = " ".join(identities.warnings(identity))

    await database.stop()
    is_plain = base_url.startswith("http:")
    assert [line["event"] for line in lines] == ["base_url_is_not_https"] * is_plain
    assert ("https only" in warnings) is is_plain


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
    [{}, {"p12": "AAAA"}, {"pem": "nothing"}, {"certificates": ["AAAA"]}],
)
async def test_broken_identity_is_422(an_account: AnAccount, body: dict[str, str]):
    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "identity_broken")


async def test_reading_that_takes_too_long_is_ended():
    pem = identity_to_pem(an_identity()).decode()

    with pytest.raises(SlowIdentityError):
        await IdentityReader(seconds=0.001).read(new_id(), Files.of(pem=pem, at=clock.now()))


async def test_only_so_many_uploads_wait():
    reader, account_id = IdentityReader(seconds=0.001), new_id()
    files = Files.of(pem="nothing", at=clock.now())

    answers = await asyncio.gather(
        *(reader.read(account_id, files) for _ in range(MAX_WAITING_OF_ACCOUNT + 1)),
        *(reader.read(new_id(), files) for _ in range(MAX_WAITING - MAX_WAITING_OF_ACCOUNT + 1)),
        return_exceptions=True,
    )

    refused = [n for n, answer in enumerate(answers) if isinstance(answer, TooManyUploadsError)]
    assert refused == [MAX_WAITING_OF_ACCOUNT, len(answers) - 1]


async def test_file_with_a_checksum_of_two_billion_rounds_is_422(an_account: AnAccount):
    p12 = b64decode(as_p12(an_identity(), "x")["p12"])
    rounds = p12.rindex(b"\x02\x02")
    costly = p12[:rounds] + b"\x02\x04\x7f\xff\xff\xff"
    body = {"p12": b64encode(costly).decode(), "password": "x"}

    answer = await an_account.call("POST", "/v1/identities", body)

    assert (answer.status, answer.code) == (422, "identity_too_slow")


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

    for path in ("/v1/templates", "/v1/templates/check"):
        answer = await an_account.call("POST", path, a_card(identity_id=theirs["identity_id"]))

        assert (answer.status, answer.code) == (422, "identity_unknown")


async def _make_real(gateway: Gateway, identity_id: str) -> None:
    """Only Apple issues real ones; these differ in nothing else."""
    await gateway.query(
        "UPDATE identities SET development = false WHERE identity_id = $1", identity_id
    )
