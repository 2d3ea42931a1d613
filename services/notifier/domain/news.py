"""What is new of members and templates, compared with what was told of them last."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from services.notifier.domain.happenings import Happening
from shared.contracts.gateway import TemplateDeleted, TemplateSaved
from shared.contracts.member import Member
from shared.contracts.message import JsonObject
from shared.identifiers import new_id

FIELDS: Final = ("name", "email", "phone", "external_id", "tier")
"""What a member has beside its points."""

GONE: Final = 2**62
"""The version of what never comes back."""

ToldKey = tuple[UUID, str, str]


@dataclass(slots=True)
class Told:
    """What was last told of a thing; version 0: nothing yet."""

    account_id: UUID
    kind: str
    id: str
    version: int
    living: bool
    facts: JsonObject

    @property
    def key(self) -> ToldKey:
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


def member_key(member: Member) -> ToldKey:
    return member.account_id, "member", member.member_id


def template_key(message: TemplateSaved | TemplateDeleted) -> ToldKey:
    return message.account_id, "template", str(message.template_id)


def news_of_member(told: Told, member: Member) -> Iterator[Happening]:
    """Tell what a member's state adds to what was told; nothing if a newer one was told."""
    if member.version <= told.version:
        return
    was_living, before = told.living, told.facts
    told.version, told.living = member.version, not member.deleted
    told.facts = {} if member.deleted else _facts(member)
    at, data = member.updated_at, {"member_id": member.member_id, "version": member.version}
    state = {**data, "points": member.points, "tier": member.tier}
    if member.deleted:
        yield told.happening("member.deleted", at, data)
        return
    if not was_living:
        yield told.happening("member.created", at, state)
        return
    digests, known = told.facts["digests"], before["digests"]
    fields = [field for field in FIELDS if digests.get(field) != known.get(field)]
    if fields:
        yield told.happening("member.updated", at, {**state, "fields": fields})
    points, delta = before["points"], member.points - before["points"]
    if delta:
        changed = {**data, "points": member.points, "before": points, "delta": delta}
        yield told.happening("points.changed", at, changed)


def news_of_template(told: Told, saved: TemplateSaved, at: datetime) -> Iterator[Happening]:
    """Tell a revision, unless a later one or the template's end was told."""
    if saved.revision <= told.version:
        return
    told.version, told.living = saved.revision, True
    kind = "template.created" if saved.revision == 1 else "template.updated"
    data = {
        "template_id": saved.template_id,
        "revision": saved.revision,
        "name": saved.template_name,
    }
    yield told.happening(kind, at, data)


def end_of_template(told: Told, deleted: TemplateDeleted, at: datetime) -> Iterator[Happening]:
    """Tell that a template is gone; whatever revision comes late is not told any more."""
    if told.version == GONE:
        return
    told.version, told.living = GONE, False
    data = {"template_id": deleted.template_id, "revision": deleted.revision}
    yield told.happening("template.deleted", at, data)


def _facts(member: Member) -> JsonObject:
    digests = {field: _digest(member, field) for field in FIELDS if getattr(member, field)}
    return {"points": member.points, "digests": digests}


def _digest(member: Member, field: str) -> str:
    """Shorten a field so far that it can be told from its next value, and nothing else."""
    text = f"{member.account_id}/{member.member_id}/{getattr(member, field)}"
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
