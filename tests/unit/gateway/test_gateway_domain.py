from uuid import UUID

import pytest

from services.gateway.domain import SCOPES, ApiKeyText, Caller, Scope, development_pass_type
from shared.identifiers import new_id

ACCOUNT = UUID("019a0000-0000-7000-8000-0123456789ab")


def test_new_key_reads_as_itself():
    key = ApiKeyText.make()

    assert ApiKeyText.parse(key.text) == key
    assert len(key.key_id) == 12


def test_new_secret_keeps_the_id_of_its_key():
    key = ApiKeyText.make()
    rotated = ApiKeyText.make(key.key_id)

    assert rotated.key_id == key.key_id
    assert rotated.digest != key.digest


def test_key_does_not_show_its_secret_in_logs():
    key = ApiKeyText.make()

    assert key.text not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "pw_",
        "pw_short_" + "a" * 43,
        "pw_" + "a" * 12 + "_" + "a" * 42,
        "pw_" + "A" * 12 + "_" + "a" * 43,
        "pw_" + "a" * 12 + "_" + "a" * 43 + "\n",
        "p-w_" + "a" * 12 + "_" + "a" * 43,
    ],
)
def test_what_cannot_be_a_key_is_none(text: str):
    assert ApiKeyText.parse(text) is None


@pytest.mark.parametrize("prefix", ["pw_", "wp_", "PW_", "wp_live_", ""])
def test_a_key_is_the_same_with_any_prefix(prefix: str):
    key = ApiKeyText.make()

    assert ApiKeyText.parse(prefix + key.text.removeprefix("pw_")) == key


def test_star_holds_every_scope():
    caller = Caller(ACCOUNT, "k", frozenset({"*"}))

    assert caller.may("templates:write")
    assert caller.may_give(["*"])


def test_caller_may_give_only_what_it_holds():
    caller = Caller(ACCOUNT, "k", frozenset({"passes:read", "passes:write"}))

    assert caller.may("passes:read")
    assert not caller.may("scans:write")
    assert caller.may_give(["passes:read"])
    assert not caller.may_give(["passes:read", "scans:write"])
    assert not caller.may_give(["*"])


def test_every_scope_has_its_sentence():
    assert set(SCOPES) == set(Scope.__args__)
    assert all(sentence.endswith(".") for sentence in SCOPES.values())


def test_accounts_made_at_the_same_time_differ_in_their_pass_types():
    assert development_pass_type(ACCOUNT) == "pass.development.0123456789ab"
    assert len({development_pass_type(new_id()) for _ in range(1000)}) == 1000
