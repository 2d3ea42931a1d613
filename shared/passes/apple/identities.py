"""Signing identities: a pass type's certificate with its key and its chain, made and kept."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from shared.errors import InvalidError
from shared.passes.apple.signing import SigningKey

# Apple issues 2048; past 4096 bits a signature takes some ten times as long.
SMALLEST_RSA_KEY: Final = 2048
MAX_RSA_KEY_BITS: Final = 4096

# Apple puts the pass type into this extension too, as a DER string.
PASS_TYPE_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")

# What the development authority calls itself (development.py), and is known by here.
DEVELOPMENT_INTERMEDIATE: Final = "Passwright Development Intermediate"

# By their names: whoever forges them deceives nobody but himself.
APPLE_ROOTS: Final = frozenset({"Apple Root CA", "Apple Root CA - G2", "Apple Root CA - G3"})

PEM_LABEL: Final = re.compile(rb"(?:[A-Z]+ )*PRIVATE KEY|CERTIFICATE")


class IdentityError(InvalidError):
    """The certificate cannot be used to sign passes."""

    code: ClassVar[str] = "identity_invalid"


class UnsupportedKeyError(IdentityError):
    """The private key is neither RSA of 2048 to 4096 bits nor EC on P-256."""

    code: ClassVar[str] = "identity_key_unsupported"


class NoPassTypeError(IdentityError):
    """The certificate's subject has no user id that begins with "pass.": it is not for passes."""

    code: ClassVar[str] = "identity_pass_type_missing"


class NoTeamError(IdentityError):
    """The certificate's subject has no organizational unit, which names the team."""

    code: ClassVar[str] = "identity_team_missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class SigningIdentity:
    """A pass type's certificate with its key and the certificates that vouch for it."""

    pass_type_identifier: str
    team_identifier: str
    common_name: str
    not_before: datetime
    not_after: datetime
    fingerprint: str
    certificate: x509.Certificate
    private_key: SigningKey = field(repr=False)
    intermediates: tuple[x509.Certificate, ...]
    development: bool

    @property
    def root(self) -> str:
        """The common name of who vouches for the last certificate of the chain."""
        last = self.intermediates[-1] if self.intermediates else self.certificate
        return _value(last.issuer, NameOID.COMMON_NAME)


def identity_to_pem(identity: SigningIdentity) -> bytes:
    """Write key, certificate and intermediates, the key in the clear: only to be sealed."""
    return key_to_pem(identity.private_key) + b"".join(
        certificate.public_bytes(Encoding.PEM)
        for certificate in (identity.certificate, *identity.intermediates)
    )


def identity_from_pem(pem: bytes) -> SigningIdentity:
    """Read what `identity_to_pem` wrote, without checking it again (a key check takes 40 ms)."""
    key, (certificate, *intermediates) = load_trusted_pem(pem)
    return describe_identity(certificate, key, intermediates)


def describe_identity(
    certificate: x509.Certificate, key: SigningKey, intermediates: Sequence[x509.Certificate]
) -> SigningIdentity:
    """Read the fields off the certificate; ValueError if its names cannot be read."""
    pass_type_identifier = _value(certificate.subject, NameOID.USER_ID)
    team_identifier = _value(certificate.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)
    if not pass_type_identifier.startswith("pass."):
        raise NoPassTypeError
    if not team_identifier:
        raise NoTeamError
    return SigningIdentity(
        pass_type_identifier=pass_type_identifier,
        team_identifier=team_identifier,
        common_name=_value(certificate.subject, NameOID.COMMON_NAME),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        certificate=certificate,
        private_key=key,
        intermediates=tuple(intermediates),
        development=_value(certificate.issuer, NameOID.COMMON_NAME) == DEVELOPMENT_INTERMEDIATE,
    )


def key_to_pem(key: SigningKey) -> bytes:
    """Write a private key in the clear: only to be sealed."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request_certificate(key: SigningKey, name: str) -> bytes:
    """Write the request for a key's certificate (PKCS #10, PEM); Apple replaces the name."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def public_key_sha256(key: SigningKey) -> str:
    """Name a key by the digest of its public half, in hexadecimal digits."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(public).hexdigest()


def make_key() -> rsa.RSAPrivateKey:
    """Make a key as Apple wants it: RSA of 2048 bits, which takes some 0.1 s."""
    return rsa.generate_private_key(public_exponent=65537, key_size=SMALLEST_RSA_KEY)


def load_trusted_key(pem: bytes) -> SigningKey:
    """Load what `key_to_pem` wrote, without checking it again."""
    return checked_key(load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True))


def checked_key(key: object) -> SigningKey:
    """Take a key that passes can be signed with, or raise UnsupportedKeyError."""
    match key:
        case rsa.RSAPrivateKey() if SMALLEST_RSA_KEY <= key.key_size <= MAX_RSA_KEY_BITS:
            return key
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case _:
            raise UnsupportedKeyError


def load_trusted_pem(pem: bytes) -> tuple[SigningKey, list[x509.Certificate]]:
    """Load what this module wrote: the check of an RSA key is what takes the time."""
    return load_trusted_key(pem), certificates_of(pem_blocks(pem))


def certificates_of(blocks: Sequence[tuple[bytes, bytes]]) -> list[x509.Certificate]:
    """Read the certificates among PEM blocks; ValueError if one is broken."""
    return [
        x509.load_pem_x509_certificate(block) for label, block in blocks if label == b"CERTIFICATE"
    ]


def pem_blocks(pem: bytes) -> list[tuple[bytes, bytes]]:
    """List label and text of each private key and certificate; what stands between is skipped."""
    blocks: list[tuple[bytes, bytes]] = []
    for piece in pem.split(b"-----BEGIN ")[1:]:  # in time with its length, whatever it holds
        label, _, content = piece.partition(b"-----")
        ending = b"-----END %s-----" % label
        end = content.find(ending)
        if end >= 0 and PEM_LABEL.fullmatch(label):
            blocks.append((label, b"-----BEGIN %s-----%s%s" % (label, content[:end], ending)))
    return blocks


def _value(name: x509.Name, identifier: x509.ObjectIdentifier) -> str:
    value = next((one.value for one in name.get_attributes_for_oid(identifier)), "")
    return value if isinstance(value, str) else ""
