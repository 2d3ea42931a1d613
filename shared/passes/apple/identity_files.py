"""Reads and checks the files that bring a signing identity: .p12, PEM and .cer."""

import unicodedata
from base64 import b64decode
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import ClassVar, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

from shared.passes.apple.identities import (
    PASS_TYPE_EXTENSION,
    IdentityError,
    SigningIdentity,
    certificates_of,
    checked_key,
    describe_identity,
    pem_blocks,
)
from shared.passes.apple.key_costs import is_too_costly
from shared.passes.apple.signing import SigningKey

MAX_FILE_BYTES: Final = 64 * 1024
MAX_CHAIN_CERTIFICATES: Final = 4

MAX_CERTIFICATES: Final = 8
"""Files with further certificates that may come beside a .p12 or PEM."""

UNREADABLE: Final = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What the library raises for files and certificates that it cannot read."""
STRING_TAGS: Final = (b"\x0c", b"\x13", b"\x16")


class IdentityTooLargeError(IdentityError):
    """A certificate file has at most 64 KiB."""

    code: ClassVar[str] = "identity_too_large"


class SlowIdentityError(IdentityError):
    """The file takes too long to open: export it again with fewer rounds of key derivation."""

    code: ClassVar[str] = "identity_too_slow"


class BrokenIdentityError(IdentityError):
    """The files are no readable .p12, PEM or .cer with one certificate and its private key."""

    code: ClassVar[str] = "identity_broken"


class WrongPasswordError(IdentityError):
    """The password does not open the file."""

    code: ClassVar[str] = "identity_password_wrong"


class MissingPrivateKeyError(IdentityError):
    """No private key is there: export the certificate together with its key, or request it here."""

    code: ClassVar[str] = "identity_key_missing"


class KeyMismatchError(IdentityError):
    """The private key belongs to none of the certificates."""

    code: ClassVar[str] = "identity_key_mismatch"


class MissingIntermediateError(IdentityError):
    """The certificate that issued this one is not in the file."""

    code: ClassVar[str] = "identity_intermediate_missing"


class IntermediateNotValidError(IdentityError):
    """An intermediate certificate has expired or is not valid yet."""

    code: ClassVar[str] = "identity_intermediate_not_valid"


class PassTypeMismatchError(IdentityError):
    """The certificate's subject and its Apple extension name different pass types."""

    code: ClassVar[str] = "identity_pass_type_mismatch"


class ExpiredCertificateError(IdentityError):
    """The certificate has expired."""

    code: ClassVar[str] = "identity_expired"


class CertificateNotYetValidError(IdentityError):
    """The certificate is not valid yet."""

    code: ClassVar[str] = "identity_not_yet_valid"


def read_identity(
    *,
    p12: bytes | None = None,
    password: str | None = None,
    pem: bytes | None = None,
    certificates: Sequence[bytes] = (),
    keys: Sequence[SigningKey] = (),
    at: datetime,
) -> SigningIdentity:
    """Check an uploaded identity, in files of at most 64 KiB each, to be used from `at` on.

    One of the files holds the private key, or it is one of `keys`: those that wait here for their
    certificate. `certificates` are .cer files, DER or PEM. Raises an IdentityError that names the
    fault. Takes some 50 ms, and as long as it likes with a file made to be slow (its author chooses
    the rounds of key derivation): not for an event loop.
    """
    secrets = _spellings(password)
    parts: list[tuple[SigningKey | None, list[x509.Certificate]]] = []
    if p12 is not None:
        parts.append(_load_p12(_limited(p12), secrets))
    if pem is not None:
        parts.append(_load_pem(_limited(pem), secrets))
    parts += [(None, _load_certificates(_limited(file))) for file in certificates]
    if not parts:
        raise BrokenIdentityError("Send a .p12 file, PEM text or the certificate of a request.")
    found = [one for _, several in parts for one in several]
    own = [key for key, _ in parts if key is not None]
    if len(own) > 1:
        raise BrokenIdentityError("Send one private key only.")
    pairs = ((one, key) for key in own or keys for one in found if _belongs(one, key))
    certificate, key = next(pairs, (None, None))
    if certificate is None or key is None:
        raise KeyMismatchError if own else MissingPrivateKeyError
    try:
        identity = describe_identity(certificate, key, ())
        _check_extension(certificate, identity.pass_type_identifier)
    except ValueError as error:
        raise BrokenIdentityError from error
    _check_validity(identity, at)
    return replace(identity, intermediates=_chain(certificate, found, at))


def _limited(content: bytes) -> bytes:
    if len(content) > MAX_FILE_BYTES:
        raise IdentityTooLargeError
    return content


def _spellings(password: str | None) -> list[bytes | None]:
    """List a password as typed, composed and decomposed: a Mac writes "ä" as two characters."""
    if not password:
        return [None]
    forms = (password, *(unicodedata.normalize(form, password) for form in ("NFC", "NFD")))
    return [form.encode() for form in dict.fromkeys(forms)]


def _load_p12(
    p12: bytes, passwords: Sequence[bytes | None]
) -> tuple[SigningKey | None, list[x509.Certificate]]:
    if is_too_costly(p12):
        raise SlowIdentityError
    *others, last = passwords
    for password in others:
        with suppress(*UNREADABLE):
            return _contents(pkcs12.load_pkcs12(p12, password))
    try:
        return _contents(pkcs12.load_pkcs12(p12, last))
    except UNREADABLE as error:
        # The library has one exception for both and tells them apart in words only.
        raise (WrongPasswordError if "password" in str(error) else BrokenIdentityError) from error


def _contents(
    store: pkcs12.PKCS12KeyAndCertificates,
) -> tuple[SigningKey | None, list[x509.Certificate]]:
    own = [store.cert] if store.cert else []
    certificates = [one.certificate for one in (*own, *store.additional_certs)]
    return None if store.key is None else checked_key(store.key), _readable(certificates)


def _load_pem(
    pem: bytes, passwords: Sequence[bytes | None]
) -> tuple[SigningKey | None, list[x509.Certificate]]:
    blocks = _blocks(pem)
    keys = [block for label, block in blocks if label != b"CERTIFICATE"]
    if not blocks or len(keys) > 1:
        raise BrokenIdentityError
    try:
        certificates = _readable(certificates_of(blocks))
    except UNREADABLE as error:
        raise BrokenIdentityError from error
    return _load_key(keys[0], passwords) if keys else None, certificates


def _load_key(block: bytes, passwords: Sequence[bytes | None]) -> SigningKey:
    if is_too_costly(_decoded(block)):
        raise SlowIdentityError
    # A password sent with a key that needs none is no fault.
    *others, last = passwords if b"ENCRYPTED" in block else [None]
    for password in others:
        with suppress(TypeError, ValueError, UnsupportedAlgorithm):
            return checked_key(load_pem_private_key(block, password))
    try:
        return checked_key(load_pem_private_key(block, last))
    except TypeError as error:
        raise WrongPasswordError from error
    except ValueError as error:
        raise (WrongPasswordError if last else BrokenIdentityError) from error
    except UnsupportedAlgorithm as error:
        raise BrokenIdentityError from error


def _decoded(block: bytes) -> bytes:
    """Decode a PEM block; what cannot be is left to the library."""
    content = b"".join(block.split(b"-----")[2].split())
    with suppress(ValueError):
        return b64decode(content)
    return b""


def _load_certificates(file: bytes) -> list[x509.Certificate]:
    blocks = _blocks(file)
    try:
        return _readable(
            certificates_of(blocks) if blocks else [x509.load_der_x509_certificate(file)]
        )
    except UNREADABLE as error:
        raise BrokenIdentityError("A certificate file is neither DER nor PEM.") from error


def _readable(certificates: list[x509.Certificate]) -> list[x509.Certificate]:
    """Read what is asked of certificates later; the library reads each part when it is asked."""
    for certificate in certificates:
        _ = (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc)
        _ = certificate.extensions
    return certificates


def _blocks(file: bytes) -> list[tuple[bytes, bytes]]:
    # Environment variables often hold the two characters \n in place of each line end.
    return pem_blocks(file.replace(b"\\r", b"").replace(b"\\n", b"\n"))


def _belongs(certificate: x509.Certificate, key: SigningKey) -> bool:
    try:
        return certificate.public_key() == key.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


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
    while len(chain) < MAX_CHAIN_CERTIFICATES:
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
