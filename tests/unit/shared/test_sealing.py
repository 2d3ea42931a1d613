import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.sealing import MasterKeys, SealBrokenError, UnknownKeyError

KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
DERIVED = "0beb1e8261b4d2b094d53936e6473cee522e5391d1cb85b92542c3251b123027"
MINTED = "yg_n4SJfFAb4MzlWm4kkOpqGPep3U4A"


@given(st.binary(), st.text(), st.text())
def test_sealed_secret_opens_for_the_same_purpose_and_owner(plain: bytes, purpose: str, owner: str):
    keys = MasterKeys([KEY])

    sealed = keys.seal(plain, purpose=purpose, owner=owner)

    assert keys.open(sealed, purpose=purpose, owner=owner) == plain


def test_sealed_secret_names_version_and_key():
    version, key_id, text = MasterKeys([KEY]).seal(b"x", purpose="p", owner="o").split(".")

    assert version == "v1"
    assert key_id == hashlib.sha256(KEY).hexdigest()[:8]
    assert len(base64.urlsafe_b64decode(text + "==")) == 16 + 12 + 1 + 16


def test_same_secret_is_never_sealed_alike():
    keys = MasterKeys([KEY])

    assert keys.seal(b"x", purpose="p", owner="o") != keys.seal(b"x", purpose="p", owner="o")


@pytest.mark.parametrize(
    ("purpose", "owner"), [("q", "o"), ("p", "q"), ("o", "p"), ("po", ""), ("", "po")]
)
def test_other_purpose_or_owner_opens_nothing(purpose: str, owner: str):
    keys = MasterKeys([KEY])
    sealed = keys.seal(b"x", purpose="p", owner="o")

    with pytest.raises(SealBrokenError):
        keys.open(sealed, purpose=purpose, owner=owner)


def test_any_altered_character_breaks_the_seal():
    keys = MasterKeys([KEY])
    sealed = keys.seal(b"secret", purpose="p", owner="o")

    for place, character in enumerate(sealed):
        altered = sealed[:place] + ("A" if character != "A" else "B") + sealed[place + 1 :]
        with pytest.raises((SealBrokenError, UnknownKeyError)):
            keys.open(altered, purpose="p", owner="o")


@pytest.mark.parametrize("ending", ["", "AAAA", "A", "=", "é", "A.A", " "])
def test_cut_or_unreadable_secret_is_a_broken_seal(ending: str):
    keys = MasterKeys([KEY])
    key_id = hashlib.sha256(KEY).hexdigest()[:8]

    with pytest.raises(SealBrokenError):
        keys.open(f"v1.{key_id}.{ending}", purpose="p", owner="o")


@pytest.mark.parametrize("sealed", ["", "v1", "v2.12345678.AAAA", "plain text"])
def test_what_is_no_sealed_secret_is_refused(sealed: str):
    with pytest.raises((SealBrokenError, UnknownKeyError)):
        MasterKeys([KEY]).open(sealed, purpose="p", owner="o")


def test_older_key_opens_what_it_sealed():
    sealed = MasterKeys([KEY]).seal(b"x", purpose="p", owner="o")

    assert MasterKeys([OTHER_KEY, KEY]).open(sealed, purpose="p", owner="o") == b"x"


def test_first_key_seals():
    sealed = MasterKeys([OTHER_KEY, KEY]).seal(b"x", purpose="p", owner="o")

    assert MasterKeys([OTHER_KEY]).open(sealed, purpose="p", owner="o") == b"x"


def test_key_that_is_gone_is_named_as_such():
    sealed = MasterKeys([KEY]).seal(b"x", purpose="p", owner="o")

    with pytest.raises(UnknownKeyError):
        MasterKeys([OTHER_KEY]).open(sealed, purpose="p", owner="o")


def test_keys_are_read_from_text_with_or_without_padding():
    unpadded = base64.urlsafe_b64encode(KEY).decode().rstrip("=")
    padded = base64.urlsafe_b64encode(OTHER_KEY).decode()
    sealed = MasterKeys([OTHER_KEY]).seal(b"x", purpose="p", owner="o")

    keys = MasterKeys.parse(f"{unpadded}, {padded}\n")

    assert keys.open(sealed, purpose="p", owner="o") == b"x"


def test_generated_key_is_read_back_and_new_each_time():
    first, second = MasterKeys.generate_text(), MasterKeys.generate_text()

    assert first != second
    assert MasterKeys.parse(f"{first},{second}")


@pytest.mark.parametrize("text", ["", ",", "c2hvcnQ", "not base64!", f"{'A' * 43},", "A" * 44])
def test_unreadable_keys_are_refused_without_showing_them(text: str):
    with pytest.raises(ValueError, match=r"^master keys are 32 bytes") as caught:
        MasterKeys.parse(text)

    assert caught.value.__cause__ is None


@pytest.mark.parametrize("keys", [[], [b"short"], [KEY, KEY[1:]]])
def test_keys_of_another_length_are_refused(keys: list[bytes]):
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKeys(keys)


def test_keys_are_not_shown():
    shown = repr(MasterKeys([KEY]))

    assert shown == f"MasterKeys({hashlib.sha256(KEY).hexdigest()[:8]})"


def test_resealing_needs_the_former_key_once_and_leaves_what_is_sealed_already():
    old, both, new = MasterKeys([KEY]), MasterKeys([OTHER_KEY, KEY]), MasterKeys([OTHER_KEY])
    sealed = old.seal(b"secret", purpose="p", owner="o")

    resealed = both.reseal(sealed, purpose="p", owner="o")

    assert new.open(resealed, purpose="p", owner="o") == b"secret"
    assert new.reseal(resealed, purpose="p", owner="o") == resealed
    with pytest.raises(UnknownKeyError):
        new.reseal(sealed, purpose="p", owner="o")


def test_tokens_of_a_key_that_was_taken_away_are_read_by_its_root_which_opens_nothing():
    old, both, new = MasterKeys([KEY]), MasterKeys([OTHER_KEY, KEY]), MasterKeys([OTHER_KEY])
    token = old.mint(b"account", purpose="p")
    sealed = old.seal(b"secret", purpose="p", owner="o")
    assert new.read_token(token, purpose="p") is None

    new.remember(both.former_roots)
    new.remember(both.former_roots)

    assert new.read_token(token, purpose="p") == b"account"
    assert new.derive("d") == both.derive("d") == [*MasterKeys([OTHER_KEY]).derive("d"),
                                                   *old.derive("d")]  # fmt: skip
    assert new.mint(b"account", purpose="p") == both.mint(b"account", purpose="p") != token
    with pytest.raises(UnknownKeyError):
        new.open(sealed, purpose="p", owner="o")


def test_what_derives_from_a_key_never_changes():
    # Tokens of passes and hashes of accounts are out there for years.
    keys = MasterKeys([KEY])

    assert keys.derive("pass authentication tokens")[0].hex() == DERIVED
    assert keys.mint(b"account", purpose="client hash") == MINTED


def test_a_token_of_one_owner_is_none_of_another():
    keys = MasterKeys([KEY])
    token = keys.mint(b"x", purpose="p", owner="o")

    assert keys.read_token(token, purpose="p", owner="o") == b"x"
    assert keys.read_token(token, purpose="p", owner="q") is None
    assert keys.read_token(token, purpose="p") is None
