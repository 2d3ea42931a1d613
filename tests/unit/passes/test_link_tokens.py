"""What is sealed in a link can be neither read nor changed, and works nowhere else."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identifiers import new_id
from shared.passes.links.tokens import (
    MAX_TOKEN_CHARACTERS,
    LinkClaims,
    LinkSealer,
    key_id_of,
    link_key_id,
)

ACCOUNT, PROGRAM = UUID(int=1), UUID(int=2)
KEY = bytes(range(32))
SEALER = LinkSealer(KEY, account_id=ACCOUNT, program_id=PROGRAM)
CLAIMS = LinkClaims(
    link_id=new_id(),
    member={"name": "Percy", "points": 5},
    values={"number": "4711"},
    expires_at=1_900_000_000,
    campaign="autumn",
    withheld=("account", "member"),
)


def test_what_was_sealed_is_read_again():
    opened = SEALER.open(SEALER.seal(CLAIMS.to_bytes()))

    assert opened is not None
    assert LinkClaims.read(opened) == CLAIMS


def test_claims_are_compact_and_leave_out_what_says_nothing():
    link_id = UUID(int=5)

    assert LinkClaims(link_id=link_id).to_bytes() == f'{{"i":"{link_id}"}}'.encode()


def test_same_claims_make_another_token_each_time():
    assert SEALER.seal(b"claims") != SEALER.seal(b"claims")


def test_no_byte_of_a_token_can_be_another_one():
    token = SEALER.seal(CLAIMS.to_bytes())
    altered = [
        token[:place] + chr(code) + token[place + 1 :]
        for place in range(len(token))
        for code in {ord(token[place]) ^ 1, ord("A"), ord("="), ord("."), ord("_")}
    ]

    accepted = [one for one in altered if one != token and SEALER.open(one) is not None]

    assert accepted == []


@pytest.mark.parametrize("tail", ["=", "==", " ", "\n", "A", "AA", "."])
def test_a_token_is_written_in_one_way_only(tail: str):
    assert SEALER.open(SEALER.seal(b"claims") + tail) is None


@pytest.mark.parametrize(
    "other",
    [
        {"account_id": UUID(int=9)},
        {"program_id": UUID(int=9)},
        {"kind": "message"},
        {"key": bytes(32)},
    ],
)
def test_tokens_of_another_account_program_kind_or_key_are_none(other: dict[str, Any]):
    facts: dict[str, Any] = {"key": KEY, "account_id": ACCOUNT, "program_id": PROGRAM, **other}

    assert SEALER.open(LinkSealer(facts.pop("key"), **facts).seal(b"claims")) is None


@given(st.text())
def test_junk_is_no_token(junk: str):
    assert SEALER.open(junk) is None
    assert SEALER.open(f"v1.{SEALER.key_id}.{junk}") is None


def test_a_token_that_is_too_long_is_none():
    assert SEALER.open(SEALER.seal(b"x" * MAX_TOKEN_CHARACTERS)) is None


def test_a_token_names_its_key_and_the_name_tells_nothing_of_it():
    assert key_id_of(SEALER.seal(b"claims")) == link_key_id(KEY)
    assert key_id_of("v2.abc.def") == ""
    assert KEY.hex()[:8] != link_key_id(KEY)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b'{"i":"no id"}',
        b'{"i":null}',
        b"\xff",
        b'{"i":"00000000-0000-0000-0000-000000000005","s":"\\u0000"}',
        b'{"i":"00000000-0000-0000-0000-000000000005","u":0}',
        b'{"i":"00000000-0000-0000-0000-000000000005","w":["all"]}',
    ],
)
def test_what_is_no_claim_is_not_read(content: bytes):
    assert LinkClaims.read(content) is None
