"""Passes whose style or group has changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from services.triggers.domain.log import advance, write_line
from services.triggers.domain.records import PassRecord
from shared.passes.styles.choice import named_by, points_of
from shared.passes.styles.groups import StyleRule, choose


def shows(
    record: PassRecord,
    changed_id: UUID,
    template: tuple[UUID | None, UUID | None],
    groups: Mapping[UUID, Sequence[StyleRule]],
) -> bool:
    """Tell whether a pass may look otherwise because a style or group has changed.

    `template` is the style and the group that its template names, `groups` are those that may
    choose the style.
    """
    named = named_by((record.style_id, record.style_group_id), record.member, template)
    if not named:
        return False
    first = named[0].id
    if first == changed_id:
        return True
    return first in groups and choose(groups[first], points_of(record.member)) == changed_id


def restyle(record: PassRecord, needed: Mapping[UUID, int], at: datetime) -> None:
    """Let the pass be composed by styles and groups of these revisions at least."""
    record.styles_needed = {**record.styles_needed, **needed}
    advance(record, at)
    write_line(record, "update", at, {"cause": "style"})
