"""What is new of members and templates, compared with what was told of them last."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier.feed.domain.happenings import Happening
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import Member
from shared.contracts.message import JsonObject
from shared.identifiers import new_id

FIELDS: Final = ("name", "email", "phone", "external_id", "tier")
"""What a member has beside its points."""

GONE: Final = 2**62
"""The version of what never comes back."""

AnnouncedKey = tuple[UUID, str, str]


@dataclass(slots=True)
class Announced:
    """What was last announced of a thing; version 0: nothing yet."""

    account_id: UUID
    kind: str
    id: str
    version: int
    living: bool
    facts: JsonObject

    @property
    def key(self) -> AnnouncedKey:
        return self.account_id, self.kind, self.id

    def happening(self, kind: str, at: datetime, data: JsonObject) -> Happening:
        return Happening(
            event_id=new_id(),
            account_id=self.account_id,
            type=kind,
            subject={"kind": self.kind, "id": self.id},
            occurred_at=at,
            cause={"kind": "api"},
            data=data,
        )


def member_key(member: Member) -> AnnouncedKey:
    return member.account_id, "member", member.member_id


def template_key(message: TemplateSaved | TemplateDeleted) -> AnnouncedKey:
    return message.account_id, "template", str(message.template_id)


def news_of_member(announced: Announced, member: Member) -> Iterator[Happening]:
    """Tell what a member's state adds to what was told; nothing if a newer one was announced."""
    if member.version <= announced.version:
        return
    was_living, before = announced.living, announced.facts
    announced.version, announced.living = member.version, not member.deleted
    announced.facts = {} if member.deleted else _facts(member)
    at, data = member.updated_at, {"member_id": member.member_id, "version": member.version}
    state = {**data, "points": member.points, "tier": member.tier}
    if member.deleted:
        yield announced.happening("member.deleted", at, data)
        return
    if not was_living:
        yield announced.happening("member.created", at, state)
        return
    digests, known = announced.facts["digests"], before["digests"]
    fields = [field for field in FIELDS if digests.get(field) != known.get(field)]
    if fields:
        yield announced.happening("member.updated", at, {**state, "fields": fields})
    points, delta = before["points"], member.points - before["points"]
    if delta:
        changed = {**data, "points": member.points, "before": points, "delta": delta}
        yield announced.happening("points.changed", at, changed)


def news_of_template(
    announced: Announced, saved: TemplateSaved, at: datetime
) -> Iterator[Happening]:
    """Tell a revision, unless a later one or the template's end was announced."""
    if saved.revision <= announced.version:
        return
    announced.version, announced.living = saved.revision, True
    kind = "template.created" if saved.revision == 1 else "template.updated"
    data = {
        "template_id": saved.template_id,
        "revision": saved.revision,
        "name": saved.template_name,
    }
    yield announced.happening(kind, at, data)


def end_of_template(
    announced: Announced, deleted: TemplateDeleted, at: datetime
) -> Iterator[Happening]:
    """Tell that a template is gone; whatever revision comes late is not announced any more."""
    if announced.version == GONE:
        return
    announced.version, announced.living = GONE, False
    data = {"template_id": deleted.template_id, "revision": deleted.revision}
    yield announced.happening("template.deleted", at, data)


def _facts(member: Member) -> JsonObject:
    digests = {field: _digest(member, field) for field in FIELDS if getattr(member, field)}
    return {"points": member.points, "digests": digests}


def _digest(member: Member, field: str) -> str:
    """Shorten a field so far that it can be announced from its next value, and nothing else."""
    text = f"{member.account_id}/{member.member_id}/{getattr(member, field)}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
