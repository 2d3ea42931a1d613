"""Classes and objects at Google, and what a request does to them."""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from tests.google.clock import Clock
from tests.google.documents import Document, merged, without_nulls
from tests.google.errors import GoogleError, denied, invalid, not_found
from tests.google.quotas import NoticeQuota
from tests.google.rules import (
    PASS_TYPES,
    PassType,
    check,
    issuer_of,
    refuse_output_only,
)
from tests.google_schema import Part, faults, schema_name

MAX_LINKED: Final = 50
MAX_MESSAGES: Final = 10
NOTIFIES: Final = "TEXT_AND_NOTIFY"

NOTIFYING_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "LoyaltyClass": ("rewardsTier", "rewardsTierLabel", "secondaryRewardsTier"),
    "LoyaltyObject": ("loyaltyPoints", "secondaryLoyaltyPoints"),
    "EventTicketClass": ("eventName", "venue", "dateTime"),
    "EventTicketObject": ("seatInfo", "ticketType"),
    "GiftCardObject": ("balance",),
    "OfferClass": ("title",),
    "TransitObject": ("ticketLeg", "ticketLegs", "ticketStatus"),
    "FlightClass": (
        "destination",
        "flightStatus",
        "localBoardingDateTime",
        "localEstimatedOrActualDepartureDateTime",
        "localScheduledDepartureDateTime",
        "origin",
    ),
    "FlightObject": ("boardingAndSeatingInfo",),
}
"""Of which changes NOTIFY_ON_UPDATE tells the holder."""


@dataclass(frozen=True)
class Kind:
    """A collection of the REST interface, such as loyaltyClass."""

    type: PassType
    part: Part

    @property
    def schema(self) -> str:
        return schema_name(self.type, self.part)

    @property
    def class_kind(self) -> "Kind":
        return Kind(self.type, "class")

    @property
    def collection(self) -> str:
        return self.type + self.part.capitalize()

    @property
    def plural(self) -> str:
        return self.collection + ("es" if self.part == "class" else "s")


KINDS: Final[Mapping[str, Kind]] = {
    kind.collection: kind
    for type_ in PASS_TYPES
    for kind in (Kind(type_, "class"), Kind(type_, "object"))
}


@dataclass
class Resource:
    """A class or an object."""

    kind: Kind
    document: Document
    """As its issuer sent it; only the review status is Google's."""
    version: int = 1
    comments: str = ""
    """What the review of a class had to say."""

    @property
    def id(self) -> str:
        return self.document["id"]


@dataclass(frozen=True)
class Change:
    """Something that a holder may see or hear of."""

    object_id: str
    notice: str
    """What the holder was notified of; empty: the card changed silently."""


@dataclass
class Switches:
    """What Google may decide one way or the other."""

    review: Literal["approve", "refuse", "wait"] = "approve"
    """What becomes of a class that is sent for review."""
    takes_merchant_locations: bool = False
    """Google allows them to chosen issuers only."""
    limits_notices: bool = True
    null_removes: bool = True
    """Whether null in a PATCH takes a key away, as in a merge patch, or changes nothing."""
    checks_documents: bool = True
    """Off, any document is taken: for measuring whoever sends them."""


@dataclass
class Resources:
    """All there is, whoever asks: the caller's right to it is checked before."""

    clock: Clock
    switches: Switches
    on_change: Callable[[Change], None]
    classes: dict[str, Resource] = field(default_factory=dict[str, Resource])
    objects: dict[str, Resource] = field(default_factory=dict[str, Resource])
    users: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    """Object id → the holders who have it."""
    notices: NoticeQuota = field(default_factory=NoticeQuota)

    def insert(self, kind: Kind, body: Document) -> Resource:
        id_ = body.get("id")
        if id_ in self._all(kind):
            raise GoogleError(409, "existingResource", f"Wallet {kind.part} {id_} already exists.")
        resource = Resource(kind, self._accepted(kind, body, body, None))
        self._all(kind)[resource.id] = resource
        return resource

    def patch(self, kind: Kind, id_: str, body: Document) -> Resource:
        """Merge: keys that are not named stay, lists are replaced as a whole."""
        resource = self.get(kind, id_)
        if not self.switches.null_removes:
            body = without_nulls(body)
        return self._replace(resource, body, merged(resource.document, body))

    def update(self, kind: Kind, id_: str, body: Document) -> Resource:
        """Replace the whole document."""
        return self._replace(self.get(kind, id_), body, body)

    def add_message(self, kind: Kind, id_: str, body: Document) -> Resource:
        resource = self.get(kind, id_)
        for path, why in faults("AddMessageRequest", body).items():
            raise invalid(f"Invalid message at '{path}': {why}")
        message: Document = body.get("message") or {}
        if not any(message.get(key) for key in ("body", "localizedBody")):
            raise invalid("A message needs a body.")
        messages = [*resource.document.get("messages", ()), message]
        if len(messages) > MAX_MESSAGES:
            raise invalid(f"There may be at most {MAX_MESSAGES} messages.")
        notice = ""
        if message.get("messageType") == NOTIFIES:
            notice = message.get("header") or "message"
            self._spend_notice(resource, notice)
        self._store(resource, resource.document | {"messages": messages}, notice)
        return resource

    def get(self, kind: Kind, id_: str) -> Resource:
        resource = self._all(kind).get(id_)
        if resource is None or resource.kind != kind:
            raise not_found(kind.part, id_)
        return resource

    def find(self, id_: str) -> Resource | None:
        return self.classes.get(id_) or self.objects.get(id_)

    def page(
        self, kind: Kind, owner: str, max_results: int | None, token: str
    ) -> tuple[Sequence[Resource], str]:
        """List an issuer's classes or a class's objects; the text asks for the next page."""
        if kind.part == "class":
            found = [one for one in self.classes.values() if issuer_of(one.id) == owner]
        else:
            found = self.objects_of(self.get(kind.class_kind, owner))
        found = [one for one in found if one.kind == kind]
        begin = _place(token)
        end = len(found) if max_results is None else begin + max_results
        more = base64.urlsafe_b64encode(str(end).encode()).decode() if end < len(found) else ""
        return found[begin:end], more

    def objects_of(self, class_: Resource) -> Sequence[Resource]:
        return [one for one in self.objects.values() if one.document["classId"] == class_.id]

    def class_of(self, object_: Resource) -> Resource:
        return self.classes[object_.document["classId"]]

    def shown(self, resource: Resource) -> Document:
        """Return a resource as Google shows it: with what only Google sets."""
        shown = dict(resource.document)
        if resource.kind.type != "generic":
            shown["version"] = str(resource.version)
        if resource.kind.part == "object":
            shown["hasUsers"] = bool(self.users.get(resource.id))
            if resource.kind.type != "generic":
                shown["classReference"] = self.shown(self.class_of(resource))
        elif resource.document.get("reviewStatus") == "REJECTED":
            shown["review"] = {"comments": resource.comments}
        return shown

    def review(
        self, class_id: str, status: Literal["APPROVED", "REJECTED"], comments: str = ""
    ) -> None:
        """Decide about a class, as the people do who review at Google."""
        class_ = self.classes[class_id]
        class_.document["reviewStatus"], class_.comments = status, comments

    def _all(self, kind: Kind) -> dict[str, Resource]:
        return self.classes if kind.part == "class" else self.objects

    def _replace(self, resource: Resource, body: Document, document: Document) -> Resource:
        if document.get("id", resource.id) != resource.id:
            raise invalid("The id of a resource cannot be changed.")
        kept = self._accepted(resource.kind, body, document, resource)
        notice = ""
        if body.get("notifyPreference") == "NOTIFY_ON_UPDATE":
            keys = NOTIFYING_KEYS.get(resource.kind.schema, ())
            changed = [key for key in keys if kept.get(key) != resource.document.get(key)]
            if notice := ", ".join(changed):
                self._spend_notice(resource, notice)
        self._store(resource, kept, notice)
        return resource

    def _accepted(
        self, kind: Kind, body: Document, document: Document, old: Resource | None
    ) -> Document:
        """Return what is stored of a document; raise what is wrong with it."""
        issuer = issuer_of(document.get("id"))
        if self.switches.checks_documents:
            refuse_output_only(body)
            check(kind.type, kind.part, document)
        if body.get("merchantLocations") and not self.switches.takes_merchant_locations:
            text = "Issuer not allowlisted for Merchant Locations. Please contact support."
            raise invalid(text)
        kept = {k: v for k, v in document.items() if k not in ("notifyPreference", "version")}
        if kind.part == "class":
            return self._reviewed(kept, body, old) if "reviewStatus" in kept else kept
        self._check_class(kind, issuer, kept["classId"], is_new=old is None)
        return self._linked(kept, issuer, old)

    def _reviewed(self, document: Document, body: Document, old: Resource | None) -> Document:
        sent: str | None = body.get("reviewStatus")
        asked = _REVIEW_ALIASES.get(sent, sent) if sent else None
        before = old.document.get("reviewStatus") if old else None
        if asked not in (None, "UNDER_REVIEW", "DRAFT"):
            raise invalid(f"Invalid review status {asked}. It is set by Google.")
        if asked == "DRAFT" and before not in (None, "DRAFT"):
            raise invalid("A class that was sent for review cannot be a draft again.")
        if asked is None:
            return document
        outcome = {"approve": "APPROVED", "refuse": "REJECTED", "wait": "UNDER_REVIEW"}
        status = "DRAFT" if asked == "DRAFT" else outcome[self.switches.review]
        return document | {"reviewStatus": status}

    def _check_class(self, kind: Kind, issuer: str, class_id: str, *, is_new: bool) -> None:
        if issuer_of(class_id) != issuer:
            raise denied()
        class_ = self.classes.get(class_id)
        if class_ is None or class_.kind != kind.class_kind:
            raise GoogleError(404, "classNotFound", f"Wallet class {class_id} not found.")
        status = class_.document.get("reviewStatus")
        if is_new and status in ("DRAFT", "REJECTED"):
            raise invalid(f"Objects of class {class_id} cannot be inserted: it is {status}.")

    def _linked(self, document: Document, issuer: str, old: Resource | None) -> Document:
        """Keep what was linked before: nothing is ever unlinked; what is too much is left out."""
        before: list[str] = old.document.get("linkedObjectIds", []) if old else []
        links = list(dict.fromkeys([*before, *document.get("linkedObjectIds", ())]))
        for id_ in links[len(before) :]:
            other = self.objects.get(id_)
            if issuer_of(id_) != issuer:
                raise invalid(f"Linked object {id_} is of another issuer.")
            if id_ == document["id"]:
                raise invalid("An object cannot be linked to itself.")
            if other is None:
                raise not_found("object", id_)
            if other.document.get("linkedObjectIds"):
                raise invalid(f"Linked object {id_} has linked objects itself.")
        return document | {"linkedObjectIds": links[:MAX_LINKED]} if links else document

    def _spend_notice(self, resource: Resource, what: str) -> None:
        now = self.clock.now()
        if self.switches.limits_notices and not self.notices.left(resource.id, now):
            text = f"Quota exceeded for issuer {issuer_of(resource.id)} when adding {NOTIFIES}"
            raise GoogleError(403, "quotaExceeded", f"{text} message to {resource.id}: {what}.")
        self.notices.spend(resource.id, now)

    def _store(self, resource: Resource, document: Document, notice: str) -> None:
        if document == resource.document and not notice:
            return
        resource.document = document
        resource.version += 1
        if resource.kind.part == "object":
            self.spread_links(resource)
            self._tell(resource, notice)
            return
        for one in self.objects_of(resource):
            self._tell(one, notice if self._reaches(one, notice) else "")

    def _reaches(self, object_: Resource, notice: str) -> bool:
        """Count a notice of a class with each of its objects, as far as they may have one."""
        now = self.clock.now()
        if not notice or (self.switches.limits_notices and not self.notices.left(object_.id, now)):
            return False
        self.notices.spend(object_.id, now)
        return True

    def _tell(self, object_: Resource, notice: str) -> None:
        if self.users.get(object_.id):
            self.on_change(Change(object_.id, notice))

    def spread_links(self, object_: Resource) -> None:
        """Give linked objects to those who have the object they are linked to."""
        for id_ in object_.document.get("linkedObjectIds", ()):
            for holder in self.users.get(object_.id, ()):
                self.users.setdefault(id_, set()).add(holder)


_REVIEW_ALIASES: Final = {
    "underReview": "UNDER_REVIEW",
    "draft": "DRAFT",
    "approved": "APPROVED",
    "rejected": "REJECTED",
}


def _place(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token)) if token else 0
    except ValueError:
        raise invalid(f"Invalid page token {token}.") from None
