"""Files that were made to be slow are known by their numbers, before they are worked on."""

from base64 import b64decode, b64encode

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)

from shared.passes.apple.identities import pem_blocks
from shared.passes.apple.identity_files import SlowIdentityError, read_identity
from shared.passes.apple.key_costs import MAX_ROUNDS, is_too_costly
from tests.unit.passes.test_identities import AT, KEY, a_certificate, an_intermediate, as_pem


def a_p12(
    algorithm: pkcs12.PBES = pkcs12.PBES.PBESv2SHA256AndAES256CBC, rounds: int = 2048
) -> bytes:
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(rounds)
        .key_cert_algorithm(algorithm)
        .hmac_hash(hashes.SHA256())
        .build(b"secret")
    )
    return pkcs12.serialize_key_and_certificates(
        None, KEY, a_certificate(), [an_intermediate()], encryption
    )


def scrypt_parameters(cost: int, block: int, lanes: int) -> bytes:
    numbers = b"".join(_integer(number) for number in (cost, block, lanes))
    content = b"\x04\x08saltsalt" + numbers
    return bytes.fromhex("06092b06010401da47040b") + b"\x30" + bytes([len(content)]) + content


def _integer(number: int) -> bytes:
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\x02" + bytes([len(content)]) + content


@pytest.mark.parametrize("algorithm", list(pkcs12.PBES))
@pytest.mark.parametrize("rounds", [1, 2048, 600_000])
def test_usual_file_is_not_too_costly(algorithm: pkcs12.PBES, rounds: int):
    if rounds > 2048 and algorithm is not pkcs12.PBES.PBESv2SHA256AndAES256CBC:
        pytest.skip("takes seconds to make")

    assert not is_too_costly(a_p12(algorithm, rounds))


@pytest.mark.parametrize("rounds", [MAX_ROUNDS + 1, 500_000_000, 2**31 - 1])
def test_rounds_of_the_checksum_are_bounded(rounds: int):
    p12 = a_p12()
    assert p12.endswith(_integer(2048))
    costly = p12[: -len(_integer(2048))] + _integer(rounds)

    assert is_too_costly(costly)
    with pytest.raises(SlowIdentityError):
        read_identity(p12=costly, password="secret", at=AT)


@pytest.mark.parametrize("algorithm", list(pkcs12.PBES))
def test_rounds_of_the_encryption_are_bounded(algorithm: pkcs12.PBES):
    p12 = a_p12(algorithm)
    head, found, tail = p12.partition(b"\x02\x02\x08\x00")
    costly = head + b"\x02\x04\x1d\xcd\x65\x00" + tail  # 500 million, lengths around it aside

    assert found
    assert is_too_costly(costly)


@pytest.mark.parametrize(
    ("numbers", "is_costly"),
    [
        ((2**14, 8, 1), False),
        ((2**21, 8, 1), True),
        ((2**14, 8, 2**20), True),
        ((2, 2**30, 1), True),
    ],
)
def test_memory_and_work_of_scrypt_are_bounded(numbers: tuple[int, int, int], is_costly: bool):  # noqa: FBT001
    assert is_too_costly(b"\x30\x03abc" + scrypt_parameters(*numbers) + b"\0\0") is is_costly


def test_encrypted_pem_is_judged_too():
    block = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    der = b64decode(b"".join(block.splitlines()[1:-1]))
    costly = b64encode(der.replace(b"\x02\x02\x08\x00", b"\x02\x04\x1d\xcd\x65\x00"))
    label = b"ENCRYPTED PRIVATE KEY"
    pem = b"-----BEGIN %s-----\n%s\n-----END %s-----\n" % (label, costly, label)
    chain = as_pem(a_certificate(), an_intermediate())

    assert read_identity(pem=block + chain, password="x", at=AT).certificate
    with pytest.raises(SlowIdentityError):
        read_identity(pem=pem + chain, password="x", at=AT)


@pytest.mark.parametrize("piece", [b"", b"\x30", b"\x30\x84\xff", b"\x02\x01\x01", b"\x30\x80\0\0"])
def test_what_is_cut_off_is_no_trouble(piece: bytes):
    assert not is_too_costly(piece)
    assert not is_too_costly(bytes.fromhex("06092b06010401da47040b") + piece)


def test_many_beginnings_without_an_end_are_skipped():
    assert pem_blocks(b"-----BEGIN CERTIFICATE-----\n" * 2400) == []
