"""What is to be at Google, and how it differs from what was sent."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast
from uuid import UUID

import orjson

from shared.contracts.generator import GoogleDocument, GooglePass
from shared.contracts.message import JsonObject

Digests = Mapping[str, str]
"""Key or field → digest of its value."""

DIGEST_BYTES: Final = 8

ERASED: Final = "-"
"""What stands where Google demands a text and nobody is to be told of any more."""

_TEXT: Final = {"defaultValue": {"language": "en", "value": ERASED}}
_DEMANDED: Final[Mapping[str, JsonObject]] = {
    "generic": {"cardTitle": _TEXT, "header": _TEXT},
    "giftCard": {"cardNumber": ERASED},
    "flight": {"passengerName": ERASED, "reservationInfo": {"confirmationCode": ERASED}},
    "transit": {"tripType": "ONE_WAY"},
}
"""Type → what an object needs besides ids and state."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A document as it is to be at Google, as its row is written."""

    document_id: str
    issuer_id: str
    account_id: UUID
    template_id: UUID
    type: str
    handle: str | None
    member_id: str | None
    class_id: str | None
    needs: Sequence[str]
    body: JsonObject
    digest: str
    version: int
    revision: int
    push_version: int
    watched: Mapping[str, tuple[str, str]]

    @property
    def age(self) -> tuple[int, int]:
        """What rises: a document of a lower one comes late."""
        return self.version, self.revision


def class_of(one: GooglePass) -> Wanted | None:
    """Take the class of a pass; None where we never write it."""
    document = one.class_document
    return None if document is None else _wanted(one, document)


def object_of(one: GooglePass) -> Wanted:
    """Take the object of a pass."""
    return _wanted(one, one.object_document, one.handle)


def _wanted(one: GooglePass, document: GoogleDocument, handle: str | None = None) -> Wanted:
    is_object = handle is not None
    linked: list[str] = document.body.get("linkedObjectIds", [])
    return Wanted(
        document_id=document.id,
        issuer_id=one.issuer_id,
        account_id=one.account_id,
        template_id=one.template_id,
        type=document.type,
        handle=handle,
        member_id=one.member_id if is_object else None,
        class_id=one.class_id if is_object else None,
        needs=[one.class_id, *linked] if is_object else [],
        body=document.body,
        digest=document.digest,
        version=one.version if is_object else 0,
        revision=one.class_revision,
        push_version=one.push_version if is_object else 0,
        watched=one.watched if is_object else {},
    )


def newest(documents: Iterable[Wanted]) -> list[Wanted]:
    """Keep the newest of each document, in the order in which their rows are locked."""
    found: dict[str, Wanted] = {}
    for one in documents:
        known = found.get(one.document_id)
        if known is None or known.age <= one.age:
            found[one.document_id] = one
    return [found[document_id] for document_id in sorted(found)]


def digests_of(values: Mapping[str, Any]) -> dict[str, str]:
    """Digest each value by itself, so that what was sent need not be kept to be compared."""
    return {name: _digest(value) for name, value in values.items()}


def differences(wanted: JsonObject, sent: Digests) -> JsonObject:
    """Tell what a PATCH has to say: whole values of keys that differ, null for those that went."""
    digests = digests_of(wanted)
    changed = {key: value for key, value in wanted.items() if digests[key] != sent.get(key)}
    return changed | dict.fromkeys(sorted(sent.keys() - wanted.keys()))


def is_within(sent: object, found: object) -> bool:
    """Tell whether what we sent is in what Google has, which may add to it."""
    match sent, found:
        case dict(), dict():
            here, there = cast("JsonObject", sent), cast("JsonObject", found)
            return all(is_within(value, there.get(key)) for key, value in here.items())
        case list(), list():
            ours, theirs = cast("list[object]", sent), cast("list[object]", found)
            return len(ours) == len(theirs) and all(map(is_within, ours, theirs))
        case _:
            return sent == found


def erased(type_: str, wanted: JsonObject) -> JsonObject:
    """Return what is left of an object whose pass is gone: nothing that tells of anybody."""
    ids = {key: wanted[key] for key in ("id", "classId")}
    return {**ids, "state": "INACTIVE", **_DEMANDED.get(type_, {})}


def digest_of(body: JsonObject) -> str:
    """Digest a document that the generator did not make."""
    return _digest(body)


def _digest(value: object) -> str:
    written = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(written, digest_size=DIGEST_BYTES).hexdigest()
