"""Callbacks are signed as Google signs them; the verifier here is written from its description."""

import base64
import json
import struct
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.google.server import ISSUER, FakeGoogle
from tests.integration.google.documents import CLASS, OBJECT, Document, class_of, object_of
from tests.integration.google.issuer import IssuerServer

SKINNY: Document = {"loyaltyObjects": [{"id": OBJECT, "classId": CLASS}]}
KEYS_PATH = "/gp/m/issuer/keys"


def verified(envelope: Document, issuer_id: str, root: str) -> Document:
    """Read the message of an envelope; InvalidSignature unless both signatures are right."""
    protocol = envelope["protocolVersion"]
    intermediate = envelope["intermediateSigningKey"]
    signed_key = intermediate["signedKey"]
    (signature,) = intermediate["signatures"]
    check(root, signature, "GooglePayPasses", protocol, signed_key)
    key = json.loads(signed_key)["keyValue"]
    message = envelope["signedMessage"]
    check(key, envelope["signature"], "GooglePayPasses", issuer_id, protocol, message)
    return json.loads(message)


def check(key: str, signature: str, *texts: str) -> None:
    public = load_der_public_key(base64.b64decode(key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    parts = [struct.pack("<I", len(data := text.encode())) + data for text in texts]
    public.verify(base64.b64decode(signature), b"".join(parts), ec.ECDSA(SHA256()))


async def published(issuer: IssuerServer) -> tuple[Document, str]:
    """Fetch the keys, and what is said of keeping them."""
    async with issuer.http.get(KEYS_PATH) as response:
        return await response.json(), response.headers["Cache-Control"]


async def root_of(issuer: IssuerServer) -> str:
    keys, _ = await published(issuer)
    (root,) = [
        one["keyValue"] for one in keys["keys"] if one["protocolVersion"] == "ECv2SigningOnly"
    ]
    return root


@pytest.fixture(autouse=True)
async def an_object_whose_class_calls_back(issuer: IssuerServer) -> None:
    class_ = class_of(callbackOptions={"url": issuer.callback_url})
    await issuer.ask("POST", "loyaltyClass", class_)
    await issuer.ask("POST", "loyaltyObject", object_of())


async def test_the_issuer_hears_of_saving_and_removing(google: FakeGoogle, issuer: IssuerServer):
    google.clock.stop()
    await google.save(issuer.link(SKINNY))
    await google.remove(OBJECT)

    root = await root_of(issuer)
    messages = [verified(envelope, ISSUER, root) for envelope in issuer.called_back]
    now = int(google.clock.now().timestamp() * 1000)

    assert [message["eventType"] for message in messages] == ["save", "del"]
    assert {message["objectId"] for message in messages} == {OBJECT}
    assert {message["classId"] for message in messages} == {CLASS}
    assert {message["expTimeMillis"] for message in messages} == {now + 60_000}
    assert len({message["nonce"] for message in messages}) == 2
    assert [callback.status for callback in google.holders.callbacks] == [200, 200]


async def test_each_holder_is_told_of_once(google: FakeGoogle, issuer: IssuerServer):
    for holder in ("ada@example.com", "ada@example.com", "grace@example.com"):
        await google.save(issuer.link(SKINNY), holder)

    assert len(issuer.called_back) == 2


async def test_an_envelope_has_the_parts_and_sizes_of_googles(
    google: FakeGoogle, issuer: IssuerServer
):
    await google.save(issuer.link(SKINNY))

    (envelope,) = issuer.called_back
    intermediate = envelope["intermediateSigningKey"]
    key = json.loads(intermediate["signedKey"])

    assert set(envelope) == {
        "signature",
        "intermediateSigningKey",
        "protocolVersion",
        "signedMessage",
    }
    assert set(intermediate) == {"signedKey", "signatures"}
    assert intermediate["signedKey"].count("\\u003d") == 2
    assert len(intermediate["signedKey"]) == 181
    assert len(base64.b64decode(key["keyValue"])) == 91
    assert isinstance(key["keyExpiration"], str)
    assert int(key["keyExpiration"]) > google.clock.now().timestamp() * 1000


async def test_a_callback_to_another_issuer_does_not_verify(
    google: FakeGoogle, issuer: IssuerServer
):
    await google.save(issuer.link(SKINNY))
    root = await root_of(issuer)

    with pytest.raises(InvalidSignature):
        verified(issuer.called_back[0], "3388000000000000002", root)


async def test_keys_are_published_among_others_and_may_be_kept_for_a_while(
    google: FakeGoogle, issuer: IssuerServer
):
    google.keys.max_age_seconds = 120

    keys, caching = await published(issuer)

    assert caching == "public, max-age=120"
    versions = [key["protocolVersion"] for key in keys["keys"]]
    assert versions == ["ECv1", "ECv2", "ECv2SigningOnly"]


async def test_the_root_key_can_change(google: FakeGoogle, issuer: IssuerServer):
    before = await root_of(issuer)
    google.keys.rotate_root()
    await google.save(issuer.link(SKINNY))

    assert verified(issuer.called_back[0], ISSUER, await root_of(issuer))
    with pytest.raises(InvalidSignature):
        verified(issuer.called_back[0], ISSUER, before)


async def test_the_intermediate_key_changes_under_the_same_root(
    google: FakeGoogle, issuer: IssuerServer
):
    root = await root_of(issuer)
    await google.save(issuer.link(SKINNY))
    google.keys.rotate_intermediate()
    await google.remove(OBJECT)

    first, second = issuer.called_back

    assert verified(first, ISSUER, root)
    assert verified(second, ISSUER, root)
    assert first["intermediateSigningKey"] != second["intermediateSigningKey"]


async def test_a_callback_can_say_anything(google: FakeGoogle, issuer: IssuerServer):
    about: dict[str, Any] = {"nonce": "n", "expTimeMillis": 1, "deviceContext": "Zürich ✓ ='<"}
    envelope = google.holders.callback_of(OBJECT, "activate", **about)

    message = verified(envelope, ISSUER, await root_of(issuer))

    assert message["eventType"] == "activate"
    assert about.items() <= message.items()


async def test_callbacks_can_be_held_back_and_sent_in_any_order(
    google: FakeGoogle, issuer: IssuerServer
):
    google.holders.sends_callbacks = False
    await google.save(issuer.link(SKINNY))
    await google.remove(OBJECT)
    assert issuer.called_back == []

    saved, removed = google.holders.callbacks
    for callback in (removed, saved, saved):
        await google.deliver(callback)

    events = [json.loads(one["signedMessage"])["eventType"] for one in issuer.called_back]
    assert events == ["del", "save", "save"]


async def test_without_a_url_of_the_class_the_issuers_is_called(
    google: FakeGoogle, issuer: IssuerServer
):
    await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", {"callbackOptions": None})
    await google.save(issuer.link(SKINNY))
    google.issuer(ISSUER).callback_url = issuer.callback_url
    await google.remove(OBJECT)

    assert len(issuer.called_back) == 1


async def test_a_holder_saves_also_while_the_issuer_cannot_be_called(
    google: FakeGoogle, issuer: IssuerServer
):
    nowhere = {"callbackOptions": {"url": "http://127.0.0.1:1/callbacks"}}
    await issuer.ask("PATCH", f"loyaltyClass/{CLASS}", nowhere)

    assert await google.save(issuer.link(SKINNY))
    assert [callback.status for callback in google.holders.callbacks] == [None]
