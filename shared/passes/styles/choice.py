"""Which style a pass has: of all that name one, whoever is nearest to the pass."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from shared.passes.styles.groups import StyleRule, choose


@dataclass(frozen=True, slots=True)
class Named:
    """A style, or a group, that a pass, a member or a template names."""

    id: UUID
    is_group: bool


def named_by(
    own: tuple[UUID | None, UUID | None],
    member: Mapping[str, Any] | None,
    template: tuple[UUID | None, UUID | None],
) -> list[Named]:
    """List what is named for a pass, the one that goes first at first.

    A pair is a style and a group; of a member it is among its facts. Who names both means the
    group.
    """
    facts = member or {}
    pairs = (own, (_id(facts.get("style_id")), _id(facts.get("style_group_id"))), template)
    return [
        Named(id_, is_group)
        for style_id, style_group_id in pairs
        for id_, is_group in ((style_group_id, True), (style_id, False))
        if id_ is not None
    ]


def chosen_style(
    named: Collection[Named],
    member: Mapping[str, Any] | None,
    groups: Mapping[UUID, list[StyleRule]],
    styles: Collection[UUID],
) -> UUID | None:
    """Return the style of a pass, if it has one; what was deleted is passed over.

    `groups` and `styles` are those that there are.
    """
    points = points_of(member)
    for one in named:
        style_id = one.id
        if one.is_group:
            rules = groups.get(one.id)
            if rules is None:
                continue
            style_id = choose(rules, points)
        if style_id in styles:
            return style_id
    return None


def points_of(member: Mapping[str, Any] | None) -> int:
    """Return by how many points rules choose: without a member, or without points, none."""
    return (member or {}).get("points") or 0


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None
