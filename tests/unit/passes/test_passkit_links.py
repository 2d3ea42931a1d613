"""Links that PassKit's helpers made are read; whatever else comes is not."""

import json
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from typing import Final

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from hypothesis import given
from hypothesis import strategies as st

from shared.passes.links.passkit import open_passkit_data, read_passkit_data

KEY: Final = bytes.fromhex("f33332e108e3e5e040924d7dd7651f6f54b242525bf4e8733ea12ac3538af755")
IV: Final = bytes(range(240, 256))
Write = Callable[[bytes], str]
SAID: Final = {"person.displayName": "Percy PassKit", "meta.seat": "12A"}


def encrypt(padded: bytes, iv: bytes = IV) -> bytes:
    encryptor = Cipher(AES256(KEY), CBC(iv)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def pad(text: bytes) -> bytes:
    length = 16 - len(text) % 16
    return text + bytes([length]) * length


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def base64_in_an_address(content: bytes) -> str:
    """As it arrives: nobody has escaped the plus signs."""
    return b64encode(content).decode().replace("+", " ")


@pytest.mark.parametrize("write", [base64url, base64_in_an_address])
@pytest.mark.parametrize("write_iv", [bytes.hex, base64url, base64_in_an_address])
def test_each_helpers_way_of_writing_is_read(write: Write, write_iv: Write):
    for _ in range(50):
        iv = secrets.token_bytes(16)
        data = encrypt(pad(json.dumps(SAID).encode()), iv)

        read = read_passkit_data(write(data), write_iv(iv))

        assert read is not None
        assert read == (data, iv)
        opened = open_passkit_data(KEY, *read)
        assert opened is not None
        assert opened.fields == SAID


def test_a_link_has_the_same_id_each_time_and_another_link_another_one():
    one, other = (encrypt(pad(text)) for text in (b"{}", b'{"a":1}'))

    opened = [open_passkit_data(KEY, data, IV) for data in (one, one, other)]
    first, again, another = [data.link_id for data in opened if data is not None]

    assert first == again != another


@pytest.mark.parametrize(
    "padded",
    [
        b"no padding here!",
        b'{"a": 1}\x08\x08\x08\x08\x08\x08\x08\x07',
        b'{"a": 1}        ',
        pad(b"no JSON"),
        pad(b"[1, 2]"),
        pad(b'"text"'),
        pad(b'{"a": "\\u0000"}'),
        pad(b'{"a": "\xff"}'),
        pad(b""),
    ],
)
def test_wrong_padding_and_wrong_data_are_none(padded: bytes):
    assert open_passkit_data(KEY, encrypt(padded), IV) is None


def test_another_key_opens_nothing():
    assert open_passkit_data(bytes(32), encrypt(pad(b"{}")), IV) is None


@pytest.mark.parametrize(
    ("data", "iv"),
    [("", IV.hex()), ("A" * 22, ""), ("A" * 22, "00"), ("A" * 20, IV.hex()), ("%%%", IV.hex())],
)
def test_what_cannot_be_blocks_is_not_read(data: str, iv: str):
    assert read_passkit_data(data, iv) is None


@given(st.text(), st.text())
def test_junk_is_not_read(data: str, iv: str):
    assert read_passkit_data(data, iv) is None or iv
