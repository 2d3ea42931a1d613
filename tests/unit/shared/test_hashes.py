"""Client and template hashes: opaque, the same each time, and not to be made by others."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hashes import (
    ClientName,
    TemplateName,
    client_hash,
    read_client_hash,
    read_template_hash,
    template_hash,
)
from shared.sealing import MasterKeys

KEYS = MasterKeys([bytes(range(32))])
OTHER_KEYS = MasterKeys([bytes(range(1, 33))])
BOTH_KEYS = MasterKeys([bytes(range(1, 33)), bytes(range(32))])
ACCOUNT, TEMPLATE = UUID(int=1), UUID(int=2)


@given(st.uuids(), st.integers(0, 2**48 - 1))
def test_client_hash_reads_back_and_fits_a_url(account_id: UUID, epoch: int):
    text = client_hash(KEYS, account_id, epoch)

    assert read_client_hash(KEYS, text) == ClientName(account_id, epoch)
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)
    assert text == client_hash(KEYS, account_id, epoch)
    assert account_id.hex not in text


@given(st.uuids(), st.uuids())
def test_template_hash_reads_back(account_id: UUID, template_id: UUID):
    text = template_hash(KEYS, account_id, template_id)

    assert read_template_hash(KEYS, text) == TemplateName(account_id, template_id)


def test_every_flipped_bit_is_noticed():
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    text = client_hash(KEYS, ACCOUNT, 1)

    for position, letter in enumerate(text):
        for bit in range(6):
            other = letters[letters.index(letter) ^ (1 << bit)]
            flipped = text[:position] + other + text[position + 1 :]
            assert read_client_hash(KEYS, flipped) is None


@given(st.text())
def test_any_other_text_names_nothing(text: str):
    assert read_client_hash(KEYS, text) is None
    assert read_template_hash(KEYS, text) is None


@pytest.mark.parametrize("keys", [OTHER_KEYS])
def test_other_keys_and_other_purposes_read_nothing(keys: MasterKeys):
    assert read_client_hash(keys, client_hash(KEYS, ACCOUNT, 1)) is None
    assert read_template_hash(KEYS, client_hash(KEYS, ACCOUNT, 1)) is None
    assert read_client_hash(KEYS, template_hash(KEYS, ACCOUNT, TEMPLATE)) is None


def test_a_new_master_key_reads_what_the_old_one_made():
    text = client_hash(KEYS, ACCOUNT, 1)

    assert read_client_hash(BOTH_KEYS, text) == ClientName(ACCOUNT, 1)
    assert client_hash(BOTH_KEYS, ACCOUNT, 1) != text


def test_epochs_of_one_account_have_hashes_that_look_unlike():
    first, second = client_hash(KEYS, ACCOUNT, 1), client_hash(KEYS, ACCOUNT, 2)

    assert sum(a == b for a, b in zip(first, second, strict=True)) < len(first) // 3
