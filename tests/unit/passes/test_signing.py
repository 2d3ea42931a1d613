import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from itertools import repeat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.hazmat.primitives.serialization.pkcs7 import load_der_pkcs7_certificates

from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.signing import PassSigner, SigningKey

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
MANIFEST = b'{\n"icon.png": "00",\r\n"pass.json": "11"\n}\n'

# The header of the signed attributes, which all are 105 bytes long, and their parts (RFC 5652, 11).
ATTRIBUTES = bytes.fromhex("a069301806092a864886f70d010903")
SIGNING_TIME = bytes.fromhex("301c06092a864886f70d010905310f170d")
MESSAGE_DIGEST = bytes.fromhex("302f06092a864886f70d01090431220420")
SMIME_CAPABILITIES = bytes.fromhex("06092a864886f70d01090f")


class Chain:
    """A leaf of either kind of key below an intermediate and a root."""

    def __init__(self, key: SigningKey, *, length: int = 1) -> None:
        self.key = key
        root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = certificate_for("root", root_key, "root", root_key)
        issuer, issuer_key = "root", root_key
        self.intermediates: list[x509.Certificate] = []
        for number in range(length):
            own = ec.generate_private_key(ec.SECP256R1())
            name = f"intermediate {number}"
            self.intermediates.append(certificate_for(name, own, issuer, issuer_key))
            issuer, issuer_key = name, own
        self.certificate = certificate_for("leaf", key, issuer, issuer_key, ca=False)
        self.signer = PassSigner(self.certificate, key, self.intermediates)


def certificate_for(
    subject: str, key: SigningKey, issuer: str, issuer_key: SigningKey, *, ca: bool = True
) -> x509.Certificate:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(AT - timedelta(days=1))
        .not_valid_after(AT + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )


def rsa_2048() -> SigningKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def rsa_3072() -> SigningKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=3072)


def elliptic() -> SigningKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module", params=[rsa_2048, rsa_3072, elliptic])
def chain(request: pytest.FixtureRequest) -> Chain:
    make: Callable[[], SigningKey] = request.param
    return Chain(make())


def signed_attributes(signature: bytes) -> bytes:
    start = signature.rindex(ATTRIBUTES)
    return signature[start + 2 : start + 2 + 0x69]


def after(marker: bytes, content: bytes, length: int) -> bytes:
    start = content.index(marker) + len(marker)
    return content[start : start + length]


def verify(chain: Chain, manifest: bytes, signature: bytes) -> None:
    """As a receiver does (RFC 5652, 5.6): the digest of the content, then the signature over it."""
    attributes = signed_attributes(signature)
    assert after(MESSAGE_DIGEST, attributes, 32) == sha256(manifest).digest()
    signed = b"\x31\x69" + attributes
    public_key = chain.certificate.public_key()
    if isinstance(public_key, rsa.RSAPublicKey):
        value = signature[-public_key.key_size // 8 :]
        public_key.verify(value, signed, padding.PKCS1v15(), hashes.SHA256())
    else:
        assert isinstance(public_key, ec.EllipticCurvePublicKey)
        public_key.verify(last_sequence(signature), signed, ec.ECDSA(hashes.SHA256()))


def last_sequence(signature: bytes) -> bytes:
    """The ECDSA value: the SEQUENCE of two numbers that reaches exactly to the end."""
    return next(
        signature[-length:]
        for length in range(60, 73)
        if signature[-length] == 0x30
        and signature[1 - length] == length - 2
        and signature[-length - 2 : -length] == bytes([0x04, length])
    )


def test_signature_is_that_of_the_manifest(chain: Chain):
    signature = chain.signer.sign(MANIFEST, AT)

    verify(chain, MANIFEST, signature)


def test_signing_time_is_the_given_one_in_utc(chain: Chain):
    local = AT.astimezone(timezone(timedelta(hours=-7)))

    signature = chain.signer.sign(MANIFEST, local)

    assert after(SIGNING_TIME, signed_attributes(signature), 13) == b"260304050607Z"


def test_signature_carries_signer_and_intermediate_but_no_root(chain: Chain):
    signature = chain.signer.sign(MANIFEST, AT)

    carried = load_der_pkcs7_certificates(signature)
    assert set(carried) == {chain.certificate, *chain.intermediates}


def test_signature_does_not_contain_the_manifest(chain: Chain):
    assert MANIFEST not in chain.signer.sign(MANIFEST, AT)


def test_signature_has_no_mail_capabilities(chain: Chain):
    assert SMIME_CAPABILITIES not in chain.signer.sign(MANIFEST, AT)


def test_length_at_the_front_is_that_of_the_signature(chain: Chain):
    signatures = [chain.signer.sign(b"%d" % number, AT) for number in range(50)]

    for signature in signatures:
        assert signature[:2] == b"\x30\x82"
        assert int.from_bytes(signature[2:4], "big") == len(signature) - 4


def test_rsa_signature_of_the_same_manifest_and_time_is_the_same():
    signer = Chain(rsa_2048()).signer

    assert signer.sign(MANIFEST, AT) == signer.sign(MANIFEST, AT)


def test_several_intermediates_are_all_carried():
    chain = Chain(elliptic(), length=3)

    carried = load_der_pkcs7_certificates(chain.signer.sign(MANIFEST, AT))

    assert set(carried) == {chain.certificate, *chain.intermediates}


def test_one_signer_serves_many_threads(chain: Chain):
    manifests = [b"manifest %d" % number for number in range(200)]

    with ThreadPoolExecutor(8) as pool:
        signatures = list(pool.map(chain.signer.sign, manifests, repeat(AT)))

    for manifest, signature in zip(manifests, signatures, strict=True):
        verify(chain, manifest, signature)


def test_key_of_another_certificate_is_refused():
    chain = Chain(elliptic())

    with pytest.raises(ValueError, match="does not belong"):
        PassSigner(chain.certificate, elliptic(), chain.intermediates)


@pytest.mark.parametrize(
    "at",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 - the zone is what is missing
        datetime(2050, 1, 1, tzinfo=UTC),
        datetime(1949, 12, 31, tzinfo=UTC),
    ],
)
def test_time_that_cannot_be_written_is_refused(at: datetime):
    with pytest.raises(ValueError, match="signing time"):
        Chain(elliptic()).signer.sign(MANIFEST, at)


def test_last_second_of_2049_can_be_written():
    signature = Chain(elliptic()).signer.sign(MANIFEST, datetime(2049, 12, 31, 23, 59, 59, 9, UTC))

    assert after(SIGNING_TIME, signed_attributes(signature), 13) == b"491231235959Z"


def openssl_accepts(
    folder: Path, signature: bytes, manifest: bytes, root: bytes
) -> subprocess.CompletedProcess[bytes]:
    (folder / "signature").write_bytes(signature)
    (folder / "manifest.json").write_bytes(manifest)
    (folder / "root.pem").write_bytes(root)
    command = (
        "openssl cms -verify -binary -inform DER -in signature -content manifest.json "
        "-CAfile root.pem -purpose any -out verified"
    )
    return subprocess.run(command.split(), cwd=folder, capture_output=True, check=False)


# The tests above hold without it; this one asks a second opinion where there is one to ask.
if shutil.which("openssl"):

    def test_openssl_accepts_the_signature(chain: Chain, tmp_path: Path):
        root = chain.root.public_bytes(Encoding.PEM)
        signature = chain.signer.sign(MANIFEST, AT)

        verdict = openssl_accepts(tmp_path, signature, MANIFEST, root)

        assert verdict.returncode == 0, verdict.stderr
        assert (tmp_path / "verified").read_bytes() == MANIFEST

    def test_openssl_refuses_another_manifest(chain: Chain, tmp_path: Path):
        root = chain.root.public_bytes(Encoding.PEM)
        signature = chain.signer.sign(MANIFEST, AT)

        verdict = openssl_accepts(tmp_path, signature, MANIFEST + b" ", root)

        assert verdict.returncode != 0

    def test_openssl_accepts_a_development_identity(tmp_path: Path):
        authority = DevelopmentAuthority.create(AT)
        identity = authority.issue("pass.com.example", "TEAM123456", "Example", AT)
        signer = PassSigner(identity.certificate, identity.private_key, identity.intermediates)

        verdict = openssl_accepts(tmp_path, signer.sign(MANIFEST, AT), MANIFEST, authority.root_pem)

        assert verdict.returncode == 0, verdict.stderr
