import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from shared.passes.apple.identities import (
    PASS_TYPE_EXTENSION,
    IdentityError,
    NoPassTypeError,
    NoTeamError,
    SigningIdentity,
    UnsupportedKeyError,
)
from shared.passes.apple.identity_files import (
    BrokenIdentityError,
    CertificateNotYetValidError,
    ExpiredCertificateError,
    IdentityTooLargeError,
    IntermediateNotValidError,
    KeyMismatchError,
    MissingIntermediateError,
    MissingPrivateKeyError,
    PassTypeMismatchError,
    WrongPasswordError,
    read_identity,
)

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
YEAR = timedelta(days=365)
PASS_TYPE = "pass.com.example.coffee"
SUBJECT = {
    NameOID.USER_ID: PASS_TYPE,
    NameOID.COMMON_NAME: f"Pass Type ID: {PASS_TYPE}",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "TEAM123456",
}
ISSUER = {NameOID.COMMON_NAME: "Worldwide Relations", NameOID.ORGANIZATIONAL_UNIT_NAME: "G4"}
ROOT = {NameOID.COMMON_NAME: "Root"}


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


ROOT_KEY, ISSUER_KEY, KEY = a_key(), a_key(), a_key()


def a_name(values: dict[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in values.items()])


def a_certificate(
    *,
    subject: dict[x509.ObjectIdentifier, str] = SUBJECT,
    key: Any = KEY,
    issuer: dict[x509.ObjectIdentifier, str] = ISSUER,
    issuer_key: Any = ISSUER_KEY,
    start: datetime = AT - YEAR,
    end: datetime = AT + YEAR,
    extension: bytes | None = None,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(a_name(subject))
        .issuer_name(a_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if extension is not None:
        builder = builder.add_extension(
            x509.UnrecognizedExtension(PASS_TYPE_EXTENSION, extension), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def an_intermediate(**changes: Any) -> x509.Certificate:
    usual: dict[str, Any] = {
        "subject": ISSUER,
        "key": ISSUER_KEY,
        "issuer": ROOT,
        "issuer_key": ROOT_KEY,
    }
    return a_certificate(**(usual | changes))


def key_pem(key: Any = KEY, password: bytes | None = None) -> bytes:
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(password) if password else NoEncryption()
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def as_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def as_p12(password: bytes | None, *chain: x509.Certificate) -> bytes:
    encryption: KeySerializationEncryption = (
        BestAvailableEncryption(password) if password else NoEncryption()
    )
    return pkcs12.serialize_key_and_certificates(
        None, KEY, a_certificate(), chain or [an_intermediate()], encryption
    )


def read_pem(*certificates: x509.Certificate, key: Any = KEY) -> SigningIdentity:
    return read_identity(pem=key_pem(key) + as_pem(*certificates), at=AT)


def test_pem_is_read_with_its_names_and_dates():
    certificate, intermediate = a_certificate(), an_intermediate()

    identity = read_pem(certificate, intermediate)

    assert identity.pass_type_identifier == PASS_TYPE
    assert identity.team_identifier == "TEAM123456"
    assert identity.common_name == f"Pass Type ID: {PASS_TYPE}"
    assert (identity.not_before, identity.not_after) == (AT - YEAR, AT + YEAR)
    assert identity.fingerprint == certificate.fingerprint(hashes.SHA256()).hex()
    assert identity.certificate == certificate
    assert identity.intermediates == (intermediate,)
    assert not identity.development


@pytest.mark.parametrize("password", ["secret", "pässword", "", None])
def test_p12_is_read_with_its_password(password: str | None):
    p12 = as_p12(password.encode() if password else None)

    identity = read_identity(p12=p12, password=password, at=AT)

    assert identity.pass_type_identifier == PASS_TYPE
    assert len(identity.intermediates) == 1


def test_p12_as_older_macs_write_it_is_read():
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())
        .build(b"secret")
    )
    p12 = pkcs12.serialize_key_and_certificates(
        b"", KEY, a_certificate(), [an_intermediate()], encryption
    )

    assert read_identity(p12=p12, password="secret", at=AT).certificate


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_wrong_password_of_a_p12_is_named(password: str | None):
    with pytest.raises(WrongPasswordError):
        read_identity(p12=as_p12(b"secret"), password=password, at=AT)


def test_pem_with_an_encrypted_key_is_read():
    pem = as_pem(an_intermediate(), a_certificate()) + key_pem(password=b"secret")

    assert read_identity(pem=pem, password="secret", at=AT).certificate


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_wrong_password_of_a_pem_is_named(password: str | None):
    pem = as_pem(a_certificate(), an_intermediate()) + key_pem(password=b"secret")

    with pytest.raises(WrongPasswordError):
        read_identity(pem=pem, password=password, at=AT)


def test_password_for_a_key_without_one_is_no_fault():
    pem = key_pem() + as_pem(a_certificate(), an_intermediate())

    assert read_identity(pem=pem, password="secret", at=AT).certificate


def test_text_between_the_blocks_is_skipped():
    note = b"Bag Attributes\r\n    friendlyName: caf\xc3\xa9\r\n"
    pem = note + key_pem() + note + as_pem(a_certificate()) + note + as_pem(an_intermediate())

    assert read_identity(pem=pem, at=AT).certificate


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a certificate",
        b"0\x03\x02\x01\x03",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" + key_pem(),
        b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        key_pem() + key_pem(a_key()),
    ],
)
def test_unreadable_file_is_refused(content: bytes):
    with pytest.raises(BrokenIdentityError):
        read_identity(pem=content, at=AT)
    with pytest.raises(BrokenIdentityError):
        read_identity(p12=content, at=AT)


@pytest.mark.parametrize(("sound", "broken"), [(b"Root", b"\xff" * 4), (b"G4", b"\xff\xff")])
def test_certificate_with_a_name_that_cannot_be_read_is_refused_wherever_it_comes(
    sound: bytes, broken: bytes
):
    encoded = an_intermediate().public_bytes(Encoding.DER).replace(sound, broken)
    intermediate = x509.load_der_x509_certificate(encoded)  # reads names when asked for them
    pem = key_pem() + as_pem(a_certificate())
    with pytest.raises(BrokenIdentityError):
        read_identity(pem=pem + as_pem(intermediate), at=AT)
    with pytest.raises(BrokenIdentityError):
        read_identity(pem=pem, certificates=[encoded], at=AT)
    with pytest.raises((BrokenIdentityError, WrongPasswordError)):  # one error for both there
        read_identity(p12=as_p12(b"secret", intermediate), password="secret", at=AT)


def test_no_file_and_two_private_keys_are_refused():
    with pytest.raises(BrokenIdentityError):
        read_identity(at=AT)
    with pytest.raises(BrokenIdentityError, match="one private key"):
        read_identity(p12=as_p12(None), pem=key_pem(), at=AT)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_issuer_may_come_beside_a_p12_as_der_or_pem(encoding: Encoding):
    p12 = pkcs12.serialize_key_and_certificates(None, KEY, a_certificate(), None, NoEncryption())
    issuer = an_intermediate().public_bytes(encoding)

    identity = read_identity(p12=p12, certificates=[issuer], at=AT)

    assert [one.subject for one in identity.intermediates] == [a_name(ISSUER)]


def test_issuer_may_come_beside_a_p12_as_pem_text():
    p12 = pkcs12.serialize_key_and_certificates(None, KEY, a_certificate(), None, NoEncryption())

    assert read_identity(p12=p12, pem=as_pem(an_intermediate()), at=AT).root == "Root"


@pytest.mark.parametrize("made", ["NFC", "NFD"])
@pytest.mark.parametrize("typed", ["NFC", "NFD"])
def test_password_opens_however_its_letters_are_composed(
    made: Literal["NFC", "NFD"], typed: Literal["NFC", "NFD"]
):
    secret = unicodedata.normalize(made, "Schlüssel für Ä").encode()
    password = unicodedata.normalize(typed, "Schlüssel für Ä")
    pem = key_pem(password=secret) + as_pem(a_certificate(), an_intermediate())

    assert read_identity(p12=as_p12(secret), password=password, at=AT).certificate
    assert read_identity(pem=pem, password=password, at=AT).certificate


@pytest.mark.parametrize("end", [b"\\n", b"\\r\\n"])
def test_pem_of_one_line_with_written_line_ends_is_read(end: bytes):
    pem = (key_pem() + as_pem(a_certificate(), an_intermediate())).replace(b"\n", end)

    assert read_identity(pem=pem, at=AT).certificate


def test_certificate_is_taken_for_the_key_that_waits_for_it():
    files = [one.public_bytes(Encoding.DER) for one in (a_certificate(), an_intermediate())]

    identity = read_identity(certificates=files, keys=[a_key(), KEY], at=AT)

    assert identity.private_key == KEY


def test_certificate_for_which_no_key_waits_is_refused():
    files = [one.public_bytes(Encoding.DER) for one in (a_certificate(), an_intermediate())]

    with pytest.raises(MissingPrivateKeyError):
        read_identity(certificates=files, keys=[a_key()], at=AT)


@pytest.mark.parametrize("file", [b"", b"not a certificate", b"0\x03\x02\x01\x03"])
def test_certificate_file_that_is_none_is_refused(file: bytes):
    with pytest.raises(BrokenIdentityError, match="DER nor PEM"):
        read_identity(p12=as_p12(None), certificates=[file], at=AT)


def test_file_past_64_kibibytes_is_refused():
    with pytest.raises(IdentityTooLargeError):
        read_identity(pem=bytes(64 * 1024 + 1), at=AT)
    with pytest.raises(IdentityTooLargeError):
        read_identity(p12=bytes(64 * 1024 + 1), at=AT)
    with pytest.raises(IdentityTooLargeError):
        read_identity(certificates=[bytes(64 * 1024 + 1)], at=AT)


def test_file_without_a_key_is_refused():
    p12 = pkcs12.serialize_key_and_certificates(
        None, None, None, [a_certificate(), an_intermediate()], NoEncryption()
    )

    with pytest.raises(MissingPrivateKeyError):
        read_identity(pem=as_pem(a_certificate(), an_intermediate()), at=AT)
    with pytest.raises(MissingPrivateKeyError):
        read_identity(p12=p12, at=AT)


def test_key_of_another_certificate_is_refused():
    with pytest.raises(KeyMismatchError):
        read_pem(a_certificate(), an_intermediate(), key=a_key())


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        ec.generate_private_key(ec.SECP384R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["RSA 1024", "P-384", "Ed25519"],
)
def test_unsupported_key_is_refused(key: Any):
    with pytest.raises(UnsupportedKeyError):
        read_pem(a_certificate(key=key), an_intermediate(), key=key)


def test_expired_certificate_is_refused_and_says_when():
    with pytest.raises(ExpiredCertificateError, match="2026-03-03"):
        read_pem(a_certificate(end=AT - timedelta(days=1)), an_intermediate())


def test_certificate_of_tomorrow_is_refused():
    with pytest.raises(CertificateNotYetValidError):
        read_pem(a_certificate(start=AT + timedelta(days=1)), an_intermediate())


@pytest.mark.parametrize("user_id", [None, "com.example.app", "Pass.com.example"])
def test_certificate_for_something_else_than_passes_is_refused(user_id: str | None):
    subject = {kind: value for kind, value in SUBJECT.items() if kind != NameOID.USER_ID}
    if user_id:
        subject[NameOID.USER_ID] = user_id

    with pytest.raises(NoPassTypeError):
        read_pem(a_certificate(subject=subject), an_intermediate())


def test_certificate_without_a_team_is_refused():
    subject = {NameOID.USER_ID: PASS_TYPE}

    with pytest.raises(NoTeamError):
        read_pem(a_certificate(subject=subject), an_intermediate())


@pytest.mark.parametrize("kind", [str, asn1.IA5String, asn1.PrintableString])
def test_extension_that_names_the_same_pass_type_is_taken(kind: Any):
    extension = asn1.encode_der(kind(PASS_TYPE))

    assert read_pem(a_certificate(extension=extension), an_intermediate()).certificate


@pytest.mark.parametrize("extension", [b"", b"\x05\x00", asn1.encode_der("pass.com.example.tea")])
def test_extension_that_names_another_pass_type_is_refused(extension: bytes):
    with pytest.raises(PassTypeMismatchError):
        read_pem(a_certificate(extension=extension), an_intermediate())


def test_missing_intermediate_is_asked_for_by_name():
    with pytest.raises(MissingIntermediateError, match="OU=G4,CN=Worldwide Relations"):
        read_pem(a_certificate())


def test_intermediate_of_the_same_name_with_another_key_is_not_taken():
    impostor = an_intermediate(key=a_key())

    with pytest.raises(MissingIntermediateError):
        read_pem(a_certificate(), impostor)


def test_certificate_that_signed_itself_is_not_taken():
    certificate = a_certificate(issuer=SUBJECT, issuer_key=KEY)

    with pytest.raises(MissingIntermediateError):
        read_pem(certificate)


@pytest.mark.parametrize(
    "validity", [{"end": AT - timedelta(days=1)}, {"start": AT + timedelta(days=1)}]
)
def test_intermediate_outside_its_time_is_refused(validity: dict[str, datetime]):
    with pytest.raises(IntermediateNotValidError, match="Worldwide Relations"):
        read_pem(a_certificate(), an_intermediate(**validity))


def test_root_and_strangers_in_the_file_are_left_out_of_the_chain():
    root = a_certificate(subject=ROOT, key=ROOT_KEY, issuer=ROOT, issuer_key=ROOT_KEY)
    stranger = a_certificate(subject={NameOID.COMMON_NAME: "Stranger"}, key=a_key())
    intermediate = an_intermediate()

    identity = read_pem(root, stranger, intermediate, a_certificate())

    assert identity.intermediates == (intermediate,)


def test_chain_goes_from_the_certificate_upwards():
    middle_key, middle = a_key(), {NameOID.COMMON_NAME: "Middle"}
    upper = a_certificate(subject=middle, key=middle_key, issuer=ROOT, issuer_key=ROOT_KEY)
    lower = an_intermediate(issuer=middle, issuer_key=middle_key)

    identity = read_pem(upper, lower, a_certificate())

    assert identity.intermediates == (lower, upper)


def test_every_fault_has_a_code_of_its_own():
    faults = IdentityError.__subclasses__()

    assert len({fault.code for fault in faults}) == len(faults)
    assert all(fault.code.startswith("identity_") for fault in faults)
