"""Key files of service accounts: what is taken, what is refused and why."""

import time
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.google.accounts import (
    SCOPE,
    TOKEN_URL,
    ServiceAccount,
    ServiceAccountError,
    check_issuer_id,
)

KEY = rsa.generate_private_key(65537, 2048)
MOMENT = datetime(2026, 11, 27, 12, tzinfo=UTC)


def pem(key: PrivateKeyTypes) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def a_file(**changes: Any) -> bytes:
    content = {
        "type": "service_account",
        "project_id": "shop-1",
        "private_key_id": "a" * 40,
        "private_key": pem(KEY),
        "client_email": "wallet@shop-1.iam.gserviceaccount.com",
        "token_uri": TOKEN_URL,
        "client_id": "123456789012345678901",
        **changes,
    }
    return orjson.dumps({name: value for name, value in content.items() if value is not None})


def test_a_key_file_of_google_cloud_is_read():
    account = ServiceAccount.parse(a_file())

    assert account.email == "wallet@shop-1.iam.gserviceaccount.com"
    assert (account.key_id, account.project_id) == ("a" * 40, "shop-1")
    assert "PRIVATE" not in repr(account)


def test_an_assertion_is_what_the_token_endpoint_takes():
    account = ServiceAccount.parse(a_file())

    assertion = account.assertion(TOKEN_URL, MOMENT)

    claims = jwt.decode(
        assertion, KEY.public_key(), algorithms=["RS256"], audience=TOKEN_URL,
        options={"verify_exp": False, "verify_iat": False},
    )  # fmt: skip
    assert claims["iss"] == account.email
    assert claims["scope"] == SCOPE
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(assertion)["kid"] == account.key_id


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no json", "not JSON"),
        (b"[]", "no JSON object"),
        (a_file(type="authorized_user"), '`type` must be "service_account"'),
        (a_file(token_uri="https://evil.example/token"), "`token_uri` must be Google's"),
        (a_file(token_uri=None), "`token_uri` must be Google's"),
        (a_file(client_email="nobody"), "`client_email` is missing or wrong"),
        (a_file(private_key_id=None), "`private_key_id` is missing or wrong"),
        (a_file(project_id=7), "`project_id` is missing or wrong"),
        (a_file(private_key=None), "`private_key` is missing"),
        (a_file(private_key="-----BEGIN PRIVATE KEY-----\nx"), "no private key in PEM"),
        (a_file(private_key=pem(ec.generate_private_key(ec.SECP256R1()))), "must be an RSA key"),
        (a_file(private_key=pem(rsa.generate_private_key(65537, 1024))), "from 2048 to 4096 bits"),
        (a_file(padding="x" * 16 * 1024), "at most 16 KiB"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_its_reason(content: bytes, reason: str):
    with pytest.raises(ServiceAccountError, match=reason) as caught:
        ServiceAccount.parse(content)

    assert "BEGIN" not in str(caught.value)


PRIMES = 2**9689 - 1, 2**9941 - 1
"""Whether they are prime takes minutes to find out."""

MINE = KEY.private_numbers()


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag, *([] if size < 0x80 else [0x80 + len(length)])]) + length + content


def made_up(*, n: int = MINE.p * MINE.q, p: int = MINE.p, q: int = MINE.q,
            d: int = MINE.d, dp: int = MINE.dmp1, dq: int = MINE.dmq1) -> str:  # fmt: skip
    """Write a key of any numbers, which no library would."""
    numbers = (0, n, 65537, d, p, q, dp, dq, MINE.iqmp)
    integers = b"".join(der(2, i.to_bytes(i.bit_length() // 8 + 1, "big")) for i in numbers)
    text = b64encode(der(0x30, integers)).decode()
    return f"-----BEGIN RSA PRIVATE KEY-----\n{text}\n-----END RSA PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (made_up(n=PRIMES[0] * PRIMES[1], p=PRIMES[0], q=PRIMES[1]), "from 2048 to 4096 bits"),
        (made_up(p=PRIMES[0]), "damaged"),
        (made_up(d=2**30_000 - 1), "damaged"),
        (made_up(dp=2**30_000 - 1), "damaged"),
        (made_up(d=5, dp=5, dq=5), "damaged"),
    ],
    ids=["huge", "another p", "huge d", "huge dp", "another d"],
)
def test_a_key_made_to_be_costly_or_damaged_is_refused_at_once(key: str, reason: str):
    began = time.process_time()

    with pytest.raises(ServiceAccountError, match=reason):
        ServiceAccount.parse(a_file(private_key=key))

    assert time.process_time() - began < 1


@pytest.mark.parametrize("number", ["1", "3388000000022141777", "9223372036854775807"])
def test_an_issuer_id_is_a_number_of_64_bits(number: str):
    assert check_issuer_id(number) == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("123456789012345678901", "client id of a service account"),
        ("9223372036854775808", "at most 19 digits"),
        ("0", "at most 19 digits"),
        ("", "at most 19 digits"),
        ("3388a", "at most 19 digits"),
        ("\uff13\uff13", "at most 19 digits"),
    ],
)
def test_what_is_no_issuer_id_is_named(text: str, reason: str):
    with pytest.raises(ServiceAccountError, match=reason):
        check_issuer_id(text)
