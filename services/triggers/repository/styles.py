"""Styles and groups, as far as passes have to be gone over when they change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from pydantic import TypeAdapter

from services.triggers.domain import PassRecord
from services.triggers.repository.passes import PassRepository
from shared.contracts.gateway import StyleGroupSaved, StyleSaved
from shared.database import Connection, columns, json_array
from shared.passes.styles.groups import StyleRule

_RULES = TypeAdapter(list[StyleRule])

NamedBy = Literal[
    "pass_style", "pass_style_group", "member_style", "member_style_group", "template"
]
"""Who names the key of a restyling, and whether it is a style or a group; or it is a template."""


@dataclass(frozen=True, slots=True)
class Restyling:
    """Passes that have to be gone over, and after which of them it goes on."""

    named_by: NamedBy
    key: UUID
    changed_id: UUID
    """The style or group that has changed."""
    account_id: UUID
    revision: int
    after_member: str
    after_handle: str
    template: tuple[UUID | None, UUID | None]
    """The style and the group that the template names, of a restyling of its passes."""


class StyleRepository:
    """The revisions of styles and groups that were heard of."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def save(self, saved: Sequence[StyleSaved | StyleGroupSaved]) -> set[UUID]:
        """Keep revisions unless newer ones are here; returns whose are new and not the first."""
        newest = {named_id_of(one): one for one in sorted(saved, key=lambda one: one.revision)}
        ordered = [newest[named_id] for named_id in sorted(newest)]
        rows = await self._connection.fetch(
            """
            INSERT INTO styles AS old (named_id, account_id, revision, rules)
            SELECT named_id, account_id, revision, nullif(rules, 'null')::jsonb
            FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[]) AS new (
                named_id, account_id, revision, rules
            )
            ON CONFLICT (named_id) DO UPDATE SET
                revision = excluded.revision, rules = excluded.rules
            WHERE old.revision < excluded.revision
            RETURNING named_id, revision
            """,
            sorted(newest),
            *columns(ordered, "account_id", "revision"),
            json_array([_rules(one) for one in ordered]),
        )
        return {row["named_id"] for row in rows if row["revision"] > 1}

    async def groups_of(self, account_id: UUID, style_id: UUID) -> dict[UUID, list[StyleRule]]:
        """Find the rules of the groups that may choose a style."""
        rows = await self._connection.fetch(
            """
            SELECT named_id, rules
            FROM styles
            WHERE account_id = $1
                AND rules @> jsonb_build_array(jsonb_build_object('style_id', $2::uuid::text))
            """,
            account_id,
            style_id,
        )
        return {row["named_id"]: _RULES.validate_python(row["rules"]) for row in rows}


class RestylingRepository:
    """Whose passes are to be composed anew, and how far that is."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, saved: Iterable[StyleSaved | StyleGroupSaved]) -> None:
        """Set down who names what has changed, itself or by a group; what goes on begins anew."""
        newest = {named_id_of(one): one for one in sorted(saved, key=lambda one: one.revision)}
        if not newest:
            return
        await self._connection.execute(
            """
            INSERT INTO restylings AS old (named_by, key, changed_id, account_id, revision)
            SELECT DISTINCT named_by, key, changed_id, changed.account_id, changed.revision
            FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[]) AS changed (
                changed_id, account_id, revision, is_group
            )
            CROSS JOIN LATERAL (
                SELECT changed_id AS named_id, CASE WHEN is_group THEN '_group' ELSE '' END AS kind
                UNION ALL
                SELECT named_id, '_group'
                FROM styles
                WHERE account_id = changed.account_id
                    AND rules @> jsonb_build_array(
                        jsonb_build_object('style_id', changed_id::text)
                    )
            ) AS named
            CROSS JOIN LATERAL (
                SELECT 'pass_style' || kind AS named_by, named_id AS key
                UNION ALL
                SELECT 'member_style' || kind, named_id
                UNION ALL
                SELECT 'template', template_id
                FROM templates
                WHERE account_id = changed.account_id
                    AND deleted_at IS NULL
                    AND (document ? 'style_id' OR document ? 'style_group_id')
                    AND named_id::text IN (document ->> 'style_id', document ->> 'style_group_id')
            ) AS namers
            ORDER BY named_by, key, changed_id
            ON CONFLICT (named_by, key, changed_id) DO UPDATE SET
                revision = greatest(old.revision, excluded.revision),
                after_member = '',
                after_handle = ''
            """,
            sorted(newest),
            *columns((newest[i] for i in sorted(newest)), "account_id", "revision"),
            [isinstance(newest[i], StyleGroupSaved) for i in sorted(newest)],
        )

    async def next_locked(self) -> Restyling | None:
        """Take the one that has waited longest, of those that nobody has in hand."""
        row = await self._connection.fetchrow(
            """
            SELECT
                named_by, key, changed_id, r.account_id, r.revision, after_member, after_handle,
                (document ->> 'style_id')::uuid AS style_id,
                (document ->> 'style_group_id')::uuid AS style_group_id
            FROM restylings r
            LEFT JOIN templates ON named_by = 'template' AND template_id = key
            ORDER BY turned_at
            LIMIT 1
            FOR UPDATE OF r SKIP LOCKED
            """
        )
        if row is None:
            return None
        facts = dict(row)
        template = facts.pop("style_id"), facts.pop("style_group_id")
        return Restyling(**facts, template=template)

    async def lock_passes(self, restyling: Restyling, most: int) -> list[PassRecord]:
        """Lock the passes that come next."""
        passes = PassRepository(self._connection)
        owner, after = (restyling.account_id, restyling.key), restyling.after_handle
        match restyling.named_by:
            case "template":
                return await passes.lock_named("template_id", *owner, after, most)
            case "pass_style":
                return await passes.lock_named("style_id", *owner, after, most)
            case "pass_style_group":
                return await passes.lock_named("style_group_id", *owner, after, most)
            case _:
                column = restyling.named_by.replace("member_", "") + "_id"
                last = restyling.after_member, after
                return await passes.lock_of_members_named(column, *owner, last, most)

    async def advance(self, restyling: Restyling, passes: Sequence[PassRecord]) -> None:
        """Note where one has come to; others have their turns before its next."""
        is_by_member = restyling.named_by.startswith("member")
        last = max(passes, key=lambda one: (one.member_id if is_by_member else "", one.handle))
        await self._connection.execute(
            """
            UPDATE restylings
            SET after_member = $4, after_handle = $5, turned_at = clock_timestamp()
            WHERE (named_by, key, changed_id) = ($1, $2, $3)
            """,
            restyling.named_by, restyling.key, restyling.changed_id,
            last.member_id or "", last.handle,
        )  # fmt: skip

    async def end(self, restyling: Restyling) -> None:
        await self._connection.execute(
            "DELETE FROM restylings WHERE (named_by, key, changed_id) = ($1, $2, $3)",
            restyling.named_by, restyling.key, restyling.changed_id,
        )  # fmt: skip


def named_id_of(saved: StyleSaved | StyleGroupSaved) -> UUID:
    """Return the id by which it is named."""
    return saved.style_id if isinstance(saved, StyleSaved) else saved.style_group_id


def _rules(saved: StyleSaved | StyleGroupSaved) -> list[Any] | None:
    """Return the rules of a group that lives."""
    if isinstance(saved, StyleSaved) or saved.deleted:
        return None
    return saved.document["rules"]
