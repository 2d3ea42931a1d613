"""Google's signatures under callbacks: ECv2SigningOnly, with keys of its own.

A root key, published at the keys URL, signs an intermediate key; that signs the messages. What is
signed is a sequence of texts, before each its length in bytes.
"""

import base64
import json
import struct
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SENDER: Final = "GooglePayPasses"
PROTOCOL: Final = "ECv2SigningOnly"
ROOT_LIFE: Final = timedelta(days=3650)
INTERMEDIATE_LIFE: Final = timedelta(days=7)
MESSAGE_LIFE: Final = timedelta(seconds=60)

_GSON: Final = str.maketrans({char: f"\\u{ord(char):04x}" for char in "=<>&'"})
"""Google's serialiser writes these as escapes; the signature is over the text with them in it."""


class CallbackKeys:
    """A root and an intermediate key; either may be changed for a new one."""

    def __init__(self) -> None:
        self.max_age_seconds = 3600
        """How long the roots may be kept by who fetched them."""
        self.rotate_root()

    def rotate_root(self) -> None:
        """Take a new root key; the old one is no longer published."""
        self._root = _new_key()
        self.rotate_intermediate()

    def rotate_intermediate(self) -> None:
        self._intermediate = _new_key()

    def published(self, now: datetime) -> dict[str, Any]:
        """Return what the keys URL tells: keys of other protocols stand beside ours."""
        ends = _milliseconds(now + ROOT_LIFE)
        others = [
            {"keyValue": _spki(_new_key()), "protocolVersion": "ECv1"},
            {"keyValue": _spki(_new_key()), "protocolVersion": "ECv2", "keyExpiration": ends},
        ]
        ours = {"keyValue": _spki(self._root), "protocolVersion": PROTOCOL, "keyExpiration": ends}
        return {"keys": [*others, ours]}

    def sign(self, issuer_id: str, message: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Return the envelope of a message to an issuer."""
        ends = _milliseconds(now + INTERMEDIATE_LIFE)
        signed_key = _written({"keyValue": _spki(self._intermediate), "keyExpiration": ends})
        signed_message = _written(message)
        by_root = _sign(self._root, SENDER, PROTOCOL, signed_key)
        signature = _sign(self._intermediate, SENDER, issuer_id, PROTOCOL, signed_message)
        return {
            "signature": signature,
            "intermediateSigningKey": {"signedKey": signed_key, "signatures": [by_root]},
            "protocolVersion": PROTOCOL,
            "signedMessage": signed_message,
        }


def message_of(
    class_id: str, object_id: str, event_type: str, nonce: str, now: datetime
) -> dict[str, Any]:
    return {
        "classId": class_id,
        "objectId": object_id,
        "eventType": event_type,
        "expTimeMillis": int(_milliseconds(now + MESSAGE_LIFE)),
        "count": 1,
        "nonce": nonce,
    }


def _sign(key: ec.EllipticCurvePrivateKey, *texts: str) -> str:
    encoded = [text.encode() for text in texts]
    signed = b"".join(struct.pack("<I", len(data)) + data for data in encoded)
    return base64.b64encode(key.sign(signed, ec.ECDSA(SHA256()))).decode()


def _written(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).translate(_GSON)


def _spki(key: ec.EllipticCurvePrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def _milliseconds(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())
