"""Callbacks of Google Wallet: who saved or removed an object, under Google's signature.

The scheme is Google's "ECv2SigningOnly": a root key signs an intermediate key, which signs the
message, each time over the parts that count with the length of each in front.
"""

import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid5

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared.passes.schema.values import Json, is_list, is_object

MAX_BODY_BYTES: Final = 16 * 1024
SENDER: Final = "GooglePayPasses"
PROTOCOL: Final = "ECv2SigningOnly"
SAVED: Final = "save"
REMOVED: Final = "del"
"""From one account: another one may still hold the object."""

_ENVELOPE: Final = frozenset(
    {"signature", "intermediateSigningKey", "protocolVersion", "signedMessage"}
)
_INTERMEDIATE: Final = frozenset({"signedKey", "signatures"})
_MAX_SIGNATURES: Final = 8
"""Each is tried with each root key."""

_MAX_NONCE: Final = 256
_MILLISECONDS: Final = re.compile(r"[0-9]{1,15}")
_NAMESPACE: Final = UUID("82cafbad-fc93-5375-a46f-ac4e8a417408")
_P256_BYTES: Final = 91
"""Of a P-256 key as X.509 SubjectPublicKeyInfo, its point not compressed."""


class CallbackError(ValueError):
    """A callback that is not to be believed; the text names what is wrong and holds no secret."""


class MalformedCallbackError(CallbackError):
    """Not of the form that Google sends: to be answered with 400."""


class UntrustedCallbackError(CallbackError):
    """Not signed by Google for this issuer, or no longer: to be answered with 401."""


class NoRootKeysError(CallbackError):
    """No key is known to verify with: to be answered with 503."""


@dataclass(frozen=True, slots=True)
class Callback:
    """What Google says happened to objects of an issuer; hints, late, repeated or out of order."""

    issuer_id: str
    event_type: str
    """`save`, `del`, or a word that is to be ignored."""
    class_id: str
    object_ids: tuple[str, ...]
    """One of `save` and `del`."""
    expires_at: datetime
    nonce: str
    count: int | None
    """Google does not say of what."""

    @property
    def message_id(self) -> UUID:
        """The same for each delivery of this callback."""
        return uuid5(_NAMESPACE, f"{self.issuer_id}\0{self.nonce}")


def verify(body: bytes, issuer_id: str, roots: Sequence[str], at: datetime) -> Callback:
    """Read a callback that was posted to an issuer's address, if Google signed it for this issuer.

    `roots` are Google's unexpired root keys, base64 of SubjectPublicKeyInfo; `at` is now. Raises
    MalformedCallbackError, UntrustedCallbackError or NoRootKeysError, and nothing else.
    """
    envelope = _read_envelope(body)
    intermediate = envelope["intermediateSigningKey"]
    root_keys = [key for root in roots if (key := _read_key(root)) is not None]
    if not root_keys:
        raise NoRootKeysError("no root key is known")
    signed_key: str = intermediate["signedKey"]
    signatures = [_read_signature(signature) for signature in intermediate["signatures"]]
    _demand(
        _signed((SENDER, PROTOCOL, signed_key), root_keys, signatures),
        "the intermediate key is not signed by a root key",
    )
    key = _read_intermediate(signed_key, at)
    message: str = envelope["signedMessage"]
    _demand(
        _signed(
            (SENDER, issuer_id, PROTOCOL, message),
            [key],
            [_read_signature(envelope["signature"])],
        ),
        "the message is not signed for this issuer by the intermediate key",
    )
    return _read_message(message, issuer_id, at)


def _read_envelope(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BODY_BYTES:
        raise MalformedCallbackError(f"at most {MAX_BODY_BYTES} bytes")
    envelope = _read_object(body, "the body")
    _form(envelope.keys() == _ENVELOPE, f"the body has exactly {', '.join(sorted(_ENVELOPE))}")
    intermediate = envelope["intermediateSigningKey"]
    _form(
        is_object(intermediate) and intermediate.keys() == _INTERMEDIATE,
        "intermediateSigningKey has exactly signatures and signedKey",
    )
    signatures = intermediate["signatures"]
    _form(
        is_list(signatures) and 0 < len(signatures) <= _MAX_SIGNATURES,
        f"signatures is a list of 1 to {_MAX_SIGNATURES}",
    )
    texts = [*signatures, intermediate["signedKey"], envelope["signature"]]
    texts.append(envelope["signedMessage"])
    _form(all(isinstance(text, str) for text in texts), "keys, messages and signatures are texts")
    _form(envelope["protocolVersion"] == PROTOCOL, f"protocolVersion is {PROTOCOL}")
    return envelope


def _read_intermediate(signed_key: str, at: datetime) -> EllipticCurvePublicKey:
    content = _read_object(signed_key, "signedKey")
    key = _read_key(content.get("keyValue"))
    if key is None:
        raise MalformedCallbackError("keyValue is no P-256 key")
    _demand(_moment(content, "keyExpiration") > at, "the intermediate key has expired")
    return key


def _read_message(message: str, issuer_id: str, at: datetime) -> Callback:
    content = _read_object(message, "signedMessage")
    expires_at = _moment(content, "expTimeMillis")
    _demand(expires_at > at, "the message has expired")
    event_type, nonce = _text(content, "eventType"), _text(content, "nonce")
    _form(0 < len(nonce) <= _MAX_NONCE, f"nonce has 1 to {_MAX_NONCE} characters")
    class_id, object_ids = _text(content, "classId"), tuple(_object_ids(content))
    if event_type in {SAVED, REMOVED}:
        _form(len(object_ids) == 1, "the message names one object")
    for name in (class_id, *object_ids):
        _demand(name.startswith(f"{issuer_id}."), "the message is about another issuer")
    count = content.get("count")
    return Callback(
        issuer_id,
        event_type,
        class_id,
        object_ids,
        expires_at,
        nonce,
        count if isinstance(count, int) else None,
    )


def _object_ids(content: Mapping[str, Any]) -> Iterator[str]:
    if "objectId" in content:
        yield _text(content, "objectId")
    several = content.get("objectIds")
    for name in several if is_list(several) else ():
        _form(isinstance(name, str), "objectIds holds texts")
        yield name


def _signed(
    parts: Sequence[str], keys: Iterable[EllipticCurvePublicKey], signatures: Sequence[bytes]
) -> bool:
    """Whether any of the signatures over these parts is by any of the keys."""
    # Byte counts, not characters: a message may hold any letter.
    pieces = [part.encode() for part in parts]
    signed = b"".join(len(piece).to_bytes(4, "little") + piece for piece in pieces)
    return any(
        _is_by(key, signature, signed) for key in keys for signature in signatures if signature
    )


def _is_by(key: EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _read_signature(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError:
        raise MalformedCallbackError("a signature is base64") from None


def _read_key(text: Json) -> EllipticCurvePublicKey | None:
    try:
        data = b64decode(text, validate=True) if isinstance(text, str) else b""
        key = load_der_public_key(data) if len(data) == _P256_BYTES else None
    except (ValueError, UnsupportedAlgorithm):
        return None
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    return None


def _read_object(text: bytes | str, name: str) -> dict[str, Any]:
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MalformedCallbackError(f"{name} is no JSON") from None
    if not is_object(content):
        raise MalformedCallbackError(f"{name} is no JSON object")
    return content


def _text(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    if not isinstance(value, str):
        raise MalformedCallbackError(f"{name} is a text")
    return value


def _moment(content: Mapping[str, Any], name: str) -> datetime:
    """Read milliseconds since 1970, which Google writes as a number here and as a text there."""
    value = content.get(name)
    if isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedCallbackError(f"{name} is a time in milliseconds")
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedCallbackError(f"{name} is a time in milliseconds") from None


def _form(holds: bool, fault: str) -> None:  # noqa: FBT001
    if not holds:
        raise MalformedCallbackError(fault)


def _demand(holds: bool, fault: str) -> None:  # noqa: FBT001
    if not holds:
        raise UntrustedCallbackError(fault)
