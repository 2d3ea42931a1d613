from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat import asn1

from shared.passes.apple.development import DevelopmentAuthority
from shared.passes.apple.identities import (
    PASS_TYPE_EXTENSION,
    NoPassTypeError,
    SigningIdentity,
    identity_from_pem,
    identity_to_pem,
)
from shared.passes.apple.identity_files import read_identity
from shared.passes.apple.signing import PassSigner

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
YEAR = timedelta(days=365)
PASS_TYPE = "pass.com.example.coffee"


@pytest.fixture(scope="module")
def authority() -> DevelopmentAuthority:
    return DevelopmentAuthority.create(AT)


@pytest.fixture(scope="module")
def issued(authority: DevelopmentAuthority) -> SigningIdentity:
    return authority.issue(PASS_TYPE, "TEAM123456", "Example Coffee", AT)


def test_private_key_is_not_shown(issued: SigningIdentity):
    assert "private_key" not in repr(issued)


def test_identity_comes_back_from_its_pem(issued: SigningIdentity):
    back = identity_from_pem(identity_to_pem(issued))

    assert back.private_key.private_numbers() == issued.private_key.private_numbers()
    assert identity_to_pem(back) == identity_to_pem(issued)
    assert back.fingerprint == issued.fingerprint
    assert back.intermediates == issued.intermediates
    assert back.development


def test_development_identity_passes_every_check(issued: SigningIdentity):
    identity = read_identity(pem=identity_to_pem(issued), at=AT)

    assert identity.pass_type_identifier == PASS_TYPE
    assert identity.team_identifier == "TEAM123456"
    assert identity.development


def test_development_identity_lives_two_years_and_signs(issued: SigningIdentity):
    signer = PassSigner(issued.certificate, issued.private_key, issued.intermediates)

    assert issued.not_after == AT + timedelta(days=730)
    assert signer.sign(b"{}", AT)


def test_development_identity_never_outlives_its_authority(authority: DevelopmentAuthority):
    late = authority.issue(PASS_TYPE, "TEAM123456", "Example", AT + 9 * YEAR)

    assert late.not_after == late.intermediates[0].not_valid_after_utc


def test_development_certificate_says_what_it_may_be_used_for(issued: SigningIdentity):
    extensions = issued.certificate.extensions

    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    named = extensions.get_extension_for_oid(PASS_TYPE_EXTENSION).value.public_bytes()
    assert named == asn1.encode_der(PASS_TYPE)


def test_development_chain_ends_at_the_named_root(
    authority: DevelopmentAuthority, issued: SigningIdentity
):
    root = x509.load_pem_x509_certificate(authority.root_pem)
    (intermediate,) = issued.intermediates

    issued.certificate.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(root)
    root.verify_directly_issued_by(root)
    assert root.subject.rfc4514_string() == "O=Passwright,CN=Passwright Development Root"
    lengths = [
        one.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
        for one in (root, intermediate)
    ]
    assert lengths == [1, 0]


def test_root_pem_holds_no_key(authority: DevelopmentAuthority):
    assert b"PRIVATE" not in authority.root_pem


def test_authority_comes_back_from_its_pem_and_issues(authority: DevelopmentAuthority):
    back = DevelopmentAuthority.from_pem(authority.to_pem())

    identity = back.issue(PASS_TYPE, "TEAM123456", "Example", AT)

    assert back.root_pem == authority.root_pem
    assert read_identity(pem=identity_to_pem(identity), at=AT).development


def test_development_identity_has_room_for_a_long_pass_type(authority: DevelopmentAuthority):
    pass_type = "pass." + "x" * 100

    identity = authority.issue(pass_type, "TEAM123456", "Example", AT)

    assert read_identity(pem=identity_to_pem(identity), at=AT).pass_type_identifier == pass_type


def test_development_identity_needs_a_pass_type(authority: DevelopmentAuthority):
    with pytest.raises(NoPassTypeError):
        authority.issue("com.example.app", "TEAM123456", "Example", AT)
