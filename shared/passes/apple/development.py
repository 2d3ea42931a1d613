"""Makes signing identities without Apple, so that all runs before a certificate is bought."""

from datetime import datetime, timedelta
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from shared.passes.apple.identities import (
    DEVELOPMENT_INTERMEDIATE,
    PASS_TYPE_EXTENSION,
    SigningIdentity,
    describe_identity,
    key_to_pem,
    load_trusted_pem,
    make_key,
)
from shared.passes.apple.signing import SigningKey

DEVELOPMENT_ROOT: Final = "Passwright Development Root"
AUTHORITY_LIFE: Final = timedelta(days=3653)
IDENTITY_LIFE: Final = timedelta(days=730)
# A machine whose clock is a little behind must not find a new certificate not yet valid.
CLOCK_TOLERANCE: Final = timedelta(days=1)

# X.509 allows no more (RFC 5280, ub-common-name).
MAX_COMMON_NAME_CHARACTERS: Final = 64
KEY_USAGES: Final = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)


class DevelopmentAuthority:
    """Issues identities for development: true in every field, but no phone trusts their root."""

    __slots__ = ("_intermediate", "_key", "_root")

    def __init__(
        self, root: x509.Certificate, intermediate: x509.Certificate, key: SigningKey
    ) -> None:
        """`key` is that of the intermediate; nobody has the root's."""
        self._root = root
        self._intermediate = intermediate
        self._key = key

    @classmethod
    def create(cls, at: datetime) -> Self:
        """Make root and intermediate, valid for ten years; the root's key is thrown away."""
        root_key, key = make_key(), make_key()
        life = (at - CLOCK_TOLERANCE, at + AUTHORITY_LIFE)
        root = _authority(
            DEVELOPMENT_ROOT, root_key, DEVELOPMENT_ROOT, root_key, life, path_length=1
        )
        intermediate = _authority(
            DEVELOPMENT_INTERMEDIATE, key, DEVELOPMENT_ROOT, root_key, life, path_length=0
        )
        return cls(root, intermediate, key)

    @property
    def root_pem(self) -> bytes:
        """The root certificate, for whoever is to trust these identities."""
        return self._root.public_bytes(Encoding.PEM)

    def to_pem(self) -> bytes:
        """Write both certificates and the intermediate's key, in the clear: only to be sealed."""
        return (
            key_to_pem(self._key)
            + self._intermediate.public_bytes(Encoding.PEM)
            + self._root.public_bytes(Encoding.PEM)
        )

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Read what `to_pem` wrote."""
        key, (intermediate, root) = load_trusted_pem(pem)
        return cls(root, intermediate, key)

    def issue(
        self, pass_type_identifier: str, team_identifier: str, organization: str, at: datetime
    ) -> SigningIdentity:
        """Issue an identity valid for two years; NoPassTypeError without "pass." in front."""
        key = make_key()
        until = min(at + IDENTITY_LIFE, self._intermediate.not_valid_after_utc)
        builder = _builder(
            _pass_subject(pass_type_identifier, team_identifier, organization),
            key,
            issuer=self._intermediate.subject,
            issuer_key=self._key,
            life=(at - CLOCK_TOLERANCE, until),
        )
        builder = builder.add_extension(
            x509.BasicConstraints(ca=False, path_length=None), critical=True
        )
        builder = builder.add_extension(_key_usage("digital_signature"), critical=True)
        named = x509.UnrecognizedExtension(
            PASS_TYPE_EXTENSION, asn1.encode_der(pass_type_identifier)
        )
        certificate = builder.add_extension(named, critical=False).sign(self._key, SHA256())
        return describe_identity(certificate, key, [self._intermediate])


def _authority(
    common_name: str,
    key: SigningKey,
    issuer_name: str,
    issuer_key: SigningKey,
    life: tuple[datetime, datetime],
    *,
    path_length: int,
) -> x509.Certificate:
    builder = _builder(
        _authority_name(common_name),
        key,
        issuer=_authority_name(issuer_name),
        issuer_key=issuer_key,
        life=life,
    )
    constraints = x509.BasicConstraints(ca=True, path_length=path_length)
    builder = builder.add_extension(constraints, critical=True)
    builder = builder.add_extension(_key_usage("key_cert_sign", "crl_sign"), critical=True)
    return builder.sign(issuer_key, SHA256())


def _builder(
    subject: x509.Name,
    key: SigningKey,
    *,
    issuer: x509.Name,
    issuer_key: SigningKey,
    life: tuple[datetime, datetime],
) -> x509.CertificateBuilder:
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    of_issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(life[0])
        .not_valid_after(life[1])
        .add_extension(own, critical=False)
        .add_extension(of_issuer, critical=False)
    )


def _key_usage(*granted: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in granted for usage in KEY_USAGES})


def _authority_name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Passwright"),
        ]
    )


def _pass_subject(pass_type_identifier: str, team_identifier: str, organization: str) -> x509.Name:
    common_name = f"Pass Type ID: {pass_type_identifier}"[:MAX_COMMON_NAME_CHARACTERS]
    return x509.Name(
        [
            x509.NameAttribute(NameOID.USER_ID, pass_type_identifier),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, team_identifier),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )
