"""Callbacks of Google, with keys of our own in place of Google's."""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.passes.google.callbacks import (
    MAX_BODY_BYTES,
    Callback,
    MalformedCallbackError,
    NoRootKeysError,
    UntrustedCallbackError,
    verify,
)

ISSUER = "3388000000012345678"
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
SENDER, PROTOCOL = "GooglePayPasses", "ECv2SigningOnly"


def a_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


ROOT, INTERMEDIATE, STRANGER = a_key(), a_key(), a_key()


def public(key: ec.EllipticCurvePrivateKey) -> str:
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b64encode(spki).decode()


def signed(key: ec.EllipticCurvePrivateKey, *parts: str) -> str:
    pieces = [part.encode() for part in parts]
    content = b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces)
    return b64encode(key.sign(content, ec.ECDSA(SHA256()))).decode()


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def a_message(**changes: Any) -> dict[str, Any]:
    return {
        "classId": f"{ISSUER}.t_card",
        "objectId": f"{ISSUER}.p_ann",
        "eventType": "save",
        "expTimeMillis": milliseconds(NOW + timedelta(minutes=1)),
        "count": 1,
        "nonce": "n-1",
        **changes,
    }


def an_envelope(
    message: dict[str, Any] | str | None = None,
    *,
    issuer_id: str = ISSUER,
    sender: str = SENDER,
    key: dict[str, Any] | None = None,
    root: ec.EllipticCurvePrivateKey = ROOT,
    signer: ec.EllipticCurvePrivateKey = INTERMEDIATE,
) -> dict[str, Any]:
    written = message if isinstance(message, str) else json.dumps(message or a_message())
    expiration = str(milliseconds(NOW + timedelta(days=7)))
    content = key or {"keyValue": public(INTERMEDIATE), "keyExpiration": expiration}
    signed_key = json.dumps(content).replace("=", "\\u003d")  # as Google writes it
    return {
        "signature": signed(signer, sender, issuer_id, PROTOCOL, written),
        "intermediateSigningKey": {
            "signedKey": signed_key,
            "signatures": [signed(root, sender, PROTOCOL, signed_key)],
        },
        "protocolVersion": PROTOCOL,
        "signedMessage": written,
    }


def verified(envelope: Mapping[str, Any], roots: Sequence[str] = (public(ROOT),)) -> Callback:
    return verify(json.dumps(envelope).encode(), ISSUER, roots, NOW)


def test_a_callback_that_google_signed_says_who_saved_what():
    callback = verified(an_envelope())

    assert callback == Callback(
        ISSUER, "save", f"{ISSUER}.t_card", (f"{ISSUER}.p_ann",), NOW + timedelta(minutes=1),
        "n-1", 1,
    )  # fmt: skip


def test_a_repeated_callback_has_the_same_message_id_and_another_one_does_not():
    first, again = verified(an_envelope()), verified(an_envelope())
    other = verified(an_envelope(a_message(nonce="n-2")))

    assert first.message_id == again.message_id != other.message_id


def test_a_literal_escape_in_the_signed_texts_is_signed_as_it_stands():
    envelope = an_envelope(json.dumps(a_message()).replace("n-1", "n\\u003d1"))

    assert "\\u003d" in envelope["intermediateSigningKey"]["signedKey"]
    assert "\\u003d" in envelope["signedMessage"]
    assert verified(envelope).nonce == "n=1"


def test_lengths_are_counted_in_bytes_so_that_a_message_may_hold_any_letter():
    message = json.dumps(a_message(nonce="Grüße 東京 🎫"), ensure_ascii=False)

    assert verified(an_envelope(message)).nonce == "Grüße 東京 🎫"


def test_a_second_root_and_a_second_signature_may_be_the_right_ones():
    envelope = an_envelope()
    right = envelope["intermediateSigningKey"]["signatures"][0]
    envelope["intermediateSigningKey"]["signatures"] = [signed(STRANGER, "other"), right]

    assert verified(envelope, roots=[public(STRANGER), public(ROOT)]).nonce == "n-1"


def test_a_root_that_is_no_key_is_passed_over():
    rsa = "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAK"

    assert verified(an_envelope(), roots=["", "?", rsa, public(ROOT)]).event_type == "save"


def test_event_types_that_are_not_known_are_read_too():
    message = a_message(eventType="activate", objectIds=[f"{ISSUER}.p_ann", f"{ISSUER}.p_bob"])
    del message["objectId"]

    callback = verified(an_envelope(message))

    assert (callback.event_type, len(callback.object_ids)) == ("activate", 2)


def changed(envelope: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    *outer, key = path.split(".")
    holder = envelope
    for step in outer:
        holder = holder[step]
    holder[key] = value
    return envelope


SOON = str(milliseconds(NOW + timedelta(days=1)))


@pytest.mark.parametrize(
    ("fault", "envelope"),
    [
        ("wrong sender", an_envelope(sender="GooglePayPassesx")),
        ("wrong recipient", an_envelope(issuer_id="3388000000099999999")),
        ("strange root", an_envelope(root=STRANGER)),
        ("strange intermediate key", an_envelope(signer=STRANGER)),
        (
            "changed message",
            changed(an_envelope(), "signedMessage", json.dumps(a_message(nonce="n-9"))),
        ),
        (
            "message serialised again",
            changed(an_envelope(), "signedMessage", json.dumps(a_message(), indent=1)),
        ),
        (
            "changed key",
            changed(
                an_envelope(),
                "intermediateSigningKey.signedKey",
                json.dumps({"keyValue": public(STRANGER), "keyExpiration": SOON}),
            ),
        ),
        (
            "expired key",
            an_envelope(
                key={"keyValue": public(INTERMEDIATE), "keyExpiration": str(milliseconds(NOW))}
            ),
        ),
        ("expired message", an_envelope(a_message(expTimeMillis=milliseconds(NOW)))),
        ("foreign class", an_envelope(a_message(classId="3388000000099999999.t_card"))),
        ("foreign object", an_envelope(a_message(objectId="3388000000099999999.p_ann"))),
        (
            "foreign object whose issuer begins alike",
            an_envelope(a_message(objectId=f"{ISSUER}9.p_ann")),
        ),
        ("empty signature", changed(an_envelope(), "signature", "")),
        ("signature that is no DER", changed(an_envelope(), "signature", "AAAA")),
    ],
)
def test_what_google_did_not_sign_for_this_issuer_is_not_trusted(
    fault: str, envelope: dict[str, Any]
):
    with pytest.raises(UntrustedCallbackError):
        verified(envelope)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in a_message().items() if name != key}


@pytest.mark.parametrize(
    ("fault", "envelope"),
    [
        ("another version", changed(an_envelope(), "protocolVersion", "ECv1")),
        ("one key more", an_envelope() | {"more": 1}),
        ("one key less", {k: v for k, v in an_envelope().items() if k != "signature"}),
        ("an intermediate of another form", changed(an_envelope(), "intermediateSigningKey", [])),
        ("no signatures", changed(an_envelope(), "intermediateSigningKey.signatures", [])),
        (
            "too many signatures",
            changed(an_envelope(), "intermediateSigningKey.signatures", ["AAAA"] * 9),
        ),
        ("signature of another kind", changed(an_envelope(), "signature", 7)),
        ("signature that is no base64", changed(an_envelope(), "signature", "!")),
        ("message that is no text", changed(an_envelope(), "signedMessage", a_message())),
        ("key without expiration", an_envelope(key={"keyValue": public(INTERMEDIATE)})),
        ("key of another kind", an_envelope(key={"keyValue": "AAAA", "keyExpiration": SOON})),
        ("message without expiration", an_envelope(without("expTimeMillis"))),
        ("expiration that is no time", an_envelope(a_message(expTimeMillis=10**18))),
        ("message without nonce", an_envelope(without("nonce"))),
        ("message without object", an_envelope(without("objectId"))),
        ("message without class", an_envelope(without("classId"))),
        ("message that is no object", an_envelope("[]")),
    ],
)
def test_what_is_not_of_googles_form_is_malformed(fault: str, envelope: dict[str, Any]):
    with pytest.raises(MalformedCallbackError):
        verified(envelope)


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 10_000])
def test_a_body_that_is_no_json_object_is_malformed(body: bytes):
    with pytest.raises(MalformedCallbackError):
        verify(body, ISSUER, [public(ROOT)], NOW)


def test_a_body_has_at_most_16_kib():
    body = json.dumps(an_envelope()).encode()

    assert verify(body.ljust(MAX_BODY_BYTES), ISSUER, [public(ROOT)], NOW).nonce == "n-1"
    with pytest.raises(MalformedCallbackError, match="16384 bytes"):
        verify(body.ljust(MAX_BODY_BYTES + 1), ISSUER, [public(ROOT)], NOW)


@pytest.mark.parametrize("roots", [[], ["AAAA"]])
def test_without_a_root_key_nothing_is_decided(roots: list[str]):
    with pytest.raises(NoRootKeysError):
        verified(an_envelope(), roots=roots)
