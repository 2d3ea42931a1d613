from base64 import urlsafe_b64encode

import pytest

from shared.passes.apple.tokens import DERIVED_PURPOSE, PassTokens, parse_secrets
from shared.sealing import MasterKeys
from shared.settings import CommonSettings

OLD, NEW, NEXT = (bytes([number]) * 32 for number in (1, 2, 3))
PASS = ("pass.com.example", "serial0")


def test_a_token_opens_its_own_pass_only():
    tokens = PassTokens([NEW])
    token = tokens.issue(tokens.newest_id, *PASS)

    assert len(token) == 64
    assert tokens.verify(*PASS, token)
    assert not tokens.verify("pass.com.example", "serial1", token)
    assert not tokens.verify("pass.com.other", "serial0", token)
    assert not tokens.verify("pass.com.exampleserial", "0", token)
    for wrong in ("", token[:-1], token + "0", token.upper(), "\udcff", "ä" * 64):
        assert not tokens.verify(*PASS, wrong)


def test_a_pass_keeps_its_token_when_a_new_secret_comes_in_front():
    before = PassTokens([OLD])
    after = PassTokens([NEW, OLD])
    key = before.newest_id
    token = before.issue(key, *PASS)

    assert after.newest_id != key
    assert after.issue(key, *PASS) == token
    assert after.verify(*PASS, token)
    assert after.issue(after.newest_id, *PASS) != token
    assert after.verify(*PASS, after.issue(after.newest_id, *PASS))


def test_a_pass_of_which_no_secret_is_known_has_that_of_the_oldest():
    tokens = PassTokens([NEW, OLD])

    assert tokens.issue(None, *PASS) == PassTokens([OLD]).issue(None, *PASS)


def test_a_secret_that_was_taken_away_opens_nothing_and_its_passes_get_the_newest():
    gone = PassTokens([OLD])
    tokens = PassTokens([NEXT, NEW])

    assert not tokens.verify(*PASS, gone.issue(None, *PASS))
    assert tokens.issue(gone.newest_id, *PASS) == tokens.issue(tokens.newest_id, *PASS)


def test_secrets_are_never_short_and_never_shown():
    with pytest.raises(ValueError, match="needed"):
        PassTokens([])
    with pytest.raises(ValueError, match="32 bytes"):
        PassTokens([bytes(31)])
    for text in ("", "c2hvcnQ", "not!base64" * 9, f"{'A' * 43},"):
        with pytest.raises(ValueError, match="token secrets") as caught:
            parse_secrets(text)
        assert caught.value.__cause__ is None
    assert "A" * 10 not in repr(PassTokens([b"A" * 32]))


def test_without_secrets_tokens_derive_from_every_master_key():
    first, second = MasterKeys.generate_text(), MasterKeys.generate_text()
    alone = pass_tokens(master_keys=second)
    rotated = pass_tokens(master_keys=f"{first},{second}")
    token = alone.issue(alone.newest_id, *PASS)

    assert rotated.verify(*PASS, token)
    assert rotated.issue(alone.newest_id, *PASS) == token
    assert rotated.newest_id != alone.newest_id


def test_secrets_that_are_set_come_before_those_of_the_master_keys():
    key = MasterKeys.generate_text()
    before = pass_tokens(master_keys=key)
    secrets = ",".join(urlsafe_b64encode(secret).decode() for secret in (NEW, OLD))
    after = pass_tokens(master_keys=key, token_secrets=secrets)

    assert after.newest_id == PassTokens([NEW]).newest_id
    assert after.verify(*PASS, PassTokens([OLD]).issue(None, *PASS))
    assert after.verify(*PASS, before.issue(before.newest_id, *PASS))


def test_what_is_derived_depends_on_purpose_and_key():
    keys = MasterKeys([OLD, NEW])

    derived = [*keys.derive(DERIVED_PURPOSE), *keys.derive("something else")]
    assert len({*derived, OLD, NEW}) == 6


def pass_tokens(**given: str) -> PassTokens:
    settings = CommonSettings.model_validate({"database_url": "postgresql://", **given})
    return settings.read_pass_tokens(settings.read_master_keys())
