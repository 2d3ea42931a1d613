"""Reads, checks and makes the certificates with keys that pass files are signed with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from shared.errors import InvalidError
from shared.passes.signing import SigningKey

LARGEST_FILE: Final = 64 * 1024
LONGEST_CHAIN: Final = 4
# Apple issues 2048; past 4096 bits a signature takes some ten times as long.
SMALLEST_RSA_KEY: Final = 2048
LARGEST_RSA_KEY: Final = 4096

# Apple puts the pass type into this extension too, as a DER string (wallet-protocols 7B.3).
PASS_TYPE_EXTENSION: Final = x509.ObjectIdentifier("1.2.840.113635.100.6.1.16")
STRING_TAGS: Final = (b"\x0c", b"\x13", b"\x16")

# What the development authority calls itself (development.py), and is known by here.
DEVELOPMENT_INTERMEDIATE: Final = "Passwright Development Intermediate"

PEM_BLOCK: Final = re.compile(
    rb"-----BEGIN ((?:[A-Z]+ )*PRIVATE KEY|CERTIFICATE)-----\s.*?-----END \1-----", re.DOTALL
)


class IdentityError(InvalidError):
    """The certificate cannot be used to sign passes."""

    code: ClassVar[str] = "identity_invalid"


class IdentityTooLargeError(IdentityError):
    """A certificate file has at most 64 KiB."""

    code: ClassVar[str] = "identity_too_large"


class BrokenIdentityError(IdentityError):
    """The file is not a readable .p12 or PEM with a certificate and its private key."""

    code: ClassVar[str] = "identity_broken"


class WrongPasswordError(IdentityError):
    """The password does not open the file."""

    code: ClassVar[str] = "identity_password_wrong"


class MissingPrivateKeyError(IdentityError):
    """The file holds no private key: export the certificate together with its key."""

    code: ClassVar[str] = "identity_key_missing"


class UnsupportedKeyError(IdentityError):
    """The private key is neither RSA of 2048 to 4096 bits nor EC on P-256."""

    code: ClassVar[str] = "identity_key_unsupported"


class KeyMismatchError(IdentityError):
    """The private key belongs to none of the certificates in the file."""

    code: ClassVar[str] = "identity_key_mismatch"


class ExpiredCertificateError(IdentityError):
    """The certificate has expired."""

    code: ClassVar[str] = "identity_expired"


class CertificateNotYetValidError(IdentityError):
    """The certificate is not valid yet."""

    code: ClassVar[str] = "identity_not_yet_valid"


class NoPassTypeError(IdentityError):
    """The certificate's subject has no user id that begins with "pass.": it is not for passes."""

    code: ClassVar[str] = "identity_pass_type_missing"


class NoTeamError(IdentityError):
    """The certificate's subject has no organizational unit, which names the team."""

    code: ClassVar[str] = "identity_team_missing"


class PassTypeMismatchError(IdentityError):
    """The certificate's subject and its Apple extension name different pass types."""

    code: ClassVar[str] = "identity_pass_type_mismatch"


class MissingIntermediateError(IdentityError):
    """The certificate that issued this one is not in the file."""

    code: ClassVar[str] = "identity_intermediate_missing"


class IntermediateNotValidError(IdentityError):
    """An intermediate certificate has expired or is not valid yet."""

    code: ClassVar[str] = "identity_intermediate_not_valid"


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


def read_identity(
    *, p12: bytes | None = None, password: str | None = None, pem: bytes | None = None, at: datetime
) -> SigningIdentity:
    """Check an uploaded identity, a .p12 or PEM file of at most 64 KiB, to be used from `at` on.

    Raises an IdentityError that names the fault. Takes some 50 ms, and as long as it likes with a
    file made to be slow (its author chooses the rounds of key derivation): not for an event loop.
    """
    secret = password.encode() if password else None
    match p12, pem:
        case bytes(), None:
            key, certificates = _load_p12(_limited(p12), secret)
        case None, bytes():
            key, certificates = _load_pem(_limited(pem), secret)
        case _:
            raise BrokenIdentityError("send either a .p12 file or PEM text")
    certificate = next((one for one in certificates if _belongs(one, key)), None)
    if certificate is None:
        raise KeyMismatchError
    try:
        identity = describe_identity(certificate, key, ())
        _check_extension(certificate, identity.pass_type_identifier)
    except ValueError as error:
        raise BrokenIdentityError from error
    _check_validity(identity, at)
    return replace(identity, intermediates=_chain(certificate, certificates, at))


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


def _limited(content: bytes) -> bytes:
    if len(content) > LARGEST_FILE:
        raise IdentityTooLargeError
    return content


def _load_p12(p12: bytes, password: bytes | None) -> tuple[SigningKey, list[x509.Certificate]]:
    try:
        store = pkcs12.load_pkcs12(p12, password)
    except ValueError as error:
        # The library has one exception for both and tells them apart in words only.
        raise (WrongPasswordError if "password" in str(error) else BrokenIdentityError) from error
    except UnsupportedAlgorithm as error:
        raise BrokenIdentityError from error
    if store.key is None:
        raise MissingPrivateKeyError
    own = [store.cert] if store.cert else []
    return _checked(store.key), [one.certificate for one in (*own, *store.additional_certs)]


def _load_pem(pem: bytes, password: bytes | None) -> tuple[SigningKey, list[x509.Certificate]]:
    blocks = [(match[1], match[0]) for match in PEM_BLOCK.finditer(pem)]
    keys = [block for label, block in blocks if label != b"CERTIFICATE"]
    if not blocks or len(keys) > 1:
        raise BrokenIdentityError
    if not keys:
        raise MissingPrivateKeyError
    # A password sent with a key that needs none is no fault.
    secret = password if b"ENCRYPTED" in keys[0] else None
    try:
        certificates = _certificates(blocks)
        key = load_pem_private_key(keys[0], secret)
    except TypeError as error:
        raise WrongPasswordError from error
    except ValueError as error:
        raise (WrongPasswordError if secret else BrokenIdentityError) from error
    except UnsupportedAlgorithm as error:
        raise BrokenIdentityError from error
    return _checked(key), certificates


def key_to_pem(key: SigningKey) -> bytes:
    """Write a private key in the clear: only to be sealed."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def load_trusted_pem(pem: bytes) -> tuple[SigningKey, list[x509.Certificate]]:
    """Load what this module wrote: the check of an RSA key is what takes the time."""
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    blocks = [(match[1], match[0]) for match in PEM_BLOCK.finditer(pem)]
    return _checked(key), _certificates(blocks)


def _certificates(blocks: Sequence[tuple[bytes, bytes]]) -> list[x509.Certificate]:
    return [
        x509.load_pem_x509_certificate(block) for label, block in blocks if label == b"CERTIFICATE"
    ]


def _checked(key: object) -> SigningKey:
    match key:
        case rsa.RSAPrivateKey() if SMALLEST_RSA_KEY <= key.key_size <= LARGEST_RSA_KEY:
            return key
        case ec.EllipticCurvePrivateKey() if isinstance(key.curve, ec.SECP256R1):
            return key
        case _:
            raise UnsupportedKeyError


def _belongs(certificate: x509.Certificate, key: SigningKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


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


def _value(name: x509.Name, identifier: x509.ObjectIdentifier) -> str:
    value = next((one.value for one in name.get_attributes_for_oid(identifier)), "")
    return value if isinstance(value, str) else ""


def _check_extension(certificate: x509.Certificate, pass_type_identifier: str) -> None:
    try:
        extension = certificate.extensions.get_extension_for_oid(PASS_TYPE_EXTENSION)
    except x509.ExtensionNotFound:
        return
    value = extension.value.public_bytes()
    if value[:1] not in STRING_TAGS or value[1:] != asn1.encode_der(pass_type_identifier)[1:]:
        raise PassTypeMismatchError


def _check_validity(identity: SigningIdentity, at: datetime) -> None:
    if at > identity.not_after:
        raise ExpiredCertificateError(f"The certificate expired on {identity.not_after:%Y-%m-%d}.")
    if at < identity.not_before:
        raise CertificateNotYetValidError


def _chain(
    certificate: x509.Certificate, candidates: Sequence[x509.Certificate], at: datetime
) -> tuple[x509.Certificate, ...]:
    """Follow the signatures upwards, without the root, which the phone has; others are left out."""
    chain: list[x509.Certificate] = []
    current = certificate
    while len(chain) < LONGEST_CHAIN:
        issuer = next((one for one in candidates if _issued(one, current)), None)
        if issuer is None or issuer.subject == issuer.issuer:
            break
        if not issuer.not_valid_before_utc <= at <= issuer.not_valid_after_utc:
            raise IntermediateNotValidError(
                f"The certificate of the issuer {issuer.subject.rfc4514_string()} is valid from "
                f"{issuer.not_valid_before_utc:%Y-%m-%d} to {issuer.not_valid_after_utc:%Y-%m-%d}."
            )
        chain.append(issuer)
        current = issuer
    if not chain:
        raise MissingIntermediateError(
            f"Add the certificate of the issuer, {certificate.issuer.rfc4514_string()}, to the "
            "file. Apple's are at https://www.apple.com/certificateauthority/ (WWDR)."
        )
    return tuple(chain)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
