"""Signs the manifests of passes, at hardly more than the price of the key operation itself."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7Options,
    PKCS7SignatureBuilder,
)
from cryptography.x509 import Certificate

SigningKey = RSAPrivateKey | EllipticCurvePrivateKey

OCTET_STRING: Final = 0x04
SEQUENCE: Final = 0x30
SET: Final = 0x31
TAGGED_0: Final = 0xA0

# The identifiers as they stand in the signature (RFC 5652, 11.2 and 11.3), and the header of the
# value that ends each attribute: an OCTET STRING of 32 bytes, a UTCTime of 13.
MESSAGE_DIGEST: Final = bytes.fromhex("06092a864886f70d010904")
SIGNING_TIME: Final = bytes.fromhex("06092a864886f70d010905")
DIGEST_HEADER: Final = b"\x04\x20"
TIME_HEADER: Final = b"\x17\x0d"

SHORT_LENGTH: Final = 0x80
FIRST_YEAR: Final = 1950
LAST_YEAR: Final = 2049


class SignatureLayoutError(Exception):
    """The cryptography library builds signatures in a form this module was not written for."""


class PassSigner:
    """Signs with one identity: DER CMS SignedData, detached, SHA-256.

    The library's builder puts every certificate together anew for each signature. So it builds
    one, here, and each pass takes that one with its own digest, time and signature value.
    Nothing changes after construction: one signer serves all threads, and signing releases the GIL.
    """

    __slots__ = (
        "_algorithm",
        "_attributes",
        "_content_type",
        "_data_head",
        "_digest_at",
        "_sign",
        "_signer_head",
        "_time_at",
    )

    def __init__(
        self,
        certificate: Certificate,
        private_key: SigningKey,
        intermediates: Sequence[Certificate],
    ) -> None:
        """Sign once to learn the form, 1 ms; ValueError if key and certificate do not match."""
        if certificate.public_key() != private_key.public_key():
            raise ValueError("the private key does not belong to the certificate")
        self._sign = _signing_function(private_key)
        reference = _build_reference(certificate, private_key, intermediates)
        try:
            signature = self._take_apart(reference)
        except (ValueError, IndexError) as error:
            raise SignatureLayoutError from error
        if self._compose(self._attributes, signature) != reference:
            raise SignatureLayoutError

    def sign(self, manifest: bytes, at: datetime) -> bytes:
        """Make the file `signature` for these exact bytes; `at`, with a zone, is its signing time.

        ValueError for a naive time or a year outside 1950 to 2049, which UTCTime cannot say.
        """
        digest = sha256(manifest).digest()
        return self.assemble(digest, at, self.sign_value(digest, at))

    def sign_value(self, digest: bytes, at: datetime) -> bytes:
        """Make only what differs from pass to pass: 256 bytes with RSA-2048. This takes long.

        `digest` is the SHA-256 of the manifest.
        """
        # Signed as a SET although they stand in the file under the tag [0] (RFC 5652, 5.4).
        return self._sign(_wrap(SET, self._attributes_of(digest, at)))

    def assemble(self, digest: bytes, at: datetime, value: bytes) -> bytes:
        """Make the file `signature` of a value that was signed for this digest at this time."""
        return self._compose(self._attributes_of(digest, at), value)

    def _attributes_of(self, digest: bytes, at: datetime) -> bytearray:
        attributes = bytearray(self._attributes)
        attributes[self._digest_at : self._digest_at + 32] = digest
        attributes[self._time_at : self._time_at + 13] = _utc_time(at)
        return attributes

    def _take_apart(self, reference: bytes) -> bytes:
        """Keep what is alike in all signatures; return the signature value of this one."""
        self._content_type, explicit = _elements(_content(reference))
        (signed_data,) = _elements(_content(explicit))
        *data_head, signer_infos = _elements(_content(signed_data))
        (signer_info,) = _elements(_content(signer_infos))
        *signer_head, attributes, self._algorithm, signature = _elements(_content(signer_info))
        self._data_head = b"".join(data_head)
        self._signer_head = b"".join(signer_head)
        self._attributes = _content(attributes)
        self._digest_at = _place_of_value(self._attributes, MESSAGE_DIGEST, DIGEST_HEADER, 32)
        self._time_at = _place_of_value(self._attributes, SIGNING_TIME, TIME_HEADER, 13)
        return _content(signature)

    def _compose(self, attributes: bytes | bytearray, signature: bytes) -> bytes:
        signer_info = _wrap(
            SEQUENCE,
            self._signer_head,
            _wrap(TAGGED_0, attributes),
            self._algorithm,
            _wrap(OCTET_STRING, signature),
        )
        signed_data = _wrap(SEQUENCE, self._data_head, _wrap(SET, signer_info))
        return _wrap(SEQUENCE, self._content_type, _wrap(TAGGED_0, signed_data))


def _signing_function(private_key: SigningKey) -> Callable[[bytes], bytes]:
    digest = SHA256()
    if isinstance(private_key, RSAPrivateKey):
        padding = PKCS1v15()
        return lambda content: private_key.sign(content, padding, digest)
    algorithm = ECDSA(digest)
    return lambda content: private_key.sign(content, algorithm)


def _build_reference(
    certificate: Certificate, private_key: SigningKey, intermediates: Sequence[Certificate]
) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(b"").add_signer(certificate, private_key, SHA256())
    for intermediate in intermediates:
        builder = builder.add_certificate(intermediate)
    # Binary: without it line ends are changed before hashing, and a manifest of two lines fails.
    return builder.sign(
        Encoding.DER,
        [PKCS7Options.DetachedSignature, PKCS7Options.Binary, PKCS7Options.NoCapabilities],
    )


def _place_of_value(attributes: bytes, identifier: bytes, header: bytes, length: int) -> int:
    """Where the value of this attribute begins; ValueError if it is not there in the known form."""
    end = 0
    for attribute in _elements(attributes):
        end += len(attribute)
        if _content(attribute) == identifier + _wrap(SET, header + attribute[-length:]):
            return end - length
    raise ValueError


@lru_cache(maxsize=8)  # a batch is signed at one moment
def _utc_time(at: datetime) -> bytes:
    moment = at.astimezone(UTC)
    if at.tzinfo is None or not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError("a signing time has a zone and lies between 1950 and 2049")
    return moment.strftime("%y%m%d%H%M%SZ").encode()


def _elements(content: bytes) -> Iterator[bytes]:
    """Split `content` into the DER elements that follow each other, each with its header."""
    start = 0
    while start < len(content):
        end = _content_span(content, start)[1]
        yield content[start:end]
        start = end


def _content(element: bytes) -> bytes:
    return element[slice(*_content_span(element, 0))]


def _content_span(encoded: bytes, start: int) -> tuple[int, int]:
    """Begin and end of the content of the element at `start`; tags here are all of one byte."""
    begin = start + 2
    length = encoded[start + 1]
    if length >= SHORT_LENGTH:
        begin += length - SHORT_LENGTH
        length = int.from_bytes(encoded[start + 2 : begin], "big")
    if begin + length > len(encoded):
        raise ValueError
    return begin, begin + length


def _wrap(tag: int, *parts: bytes | bytearray) -> bytes:
    content = b"".join(parts)
    length = len(content)
    if length < SHORT_LENGTH:
        return bytes((tag, length)) + content
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, SHORT_LENGTH + len(size))) + size + content
