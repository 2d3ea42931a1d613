"""Styles and groups as the gateway announced them; the newest revision is kept."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import TypeAdapter

from shared.contracts.gateway import ImageReference, StyleGroupSaved, StyleSaved
from shared.database import Connection, columns
from shared.passes.styles.groups import StyleRule
from shared.passes.styles.style import Style

_IMAGES = TypeAdapter(dict[str, ImageReference])
_RULES = TypeAdapter(list[StyleRule])


@dataclass(frozen=True, slots=True)
class KnownStyles:
    """What has arrived of the styles and groups that somebody names."""

    revisions: Mapping[UUID, int] = field(default_factory=dict[UUID, int])
    """Those of styles and groups, deleted ones too."""
    groups: Mapping[UUID, list[StyleRule]] = field(default_factory=dict[UUID, list[StyleRule]])
    """Living ones."""
    styles: Collection[UUID] = ()
    """Living ones, those that a group may choose too."""


class StyleRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find(self, named: Collection[tuple[UUID, UUID]]) -> KnownStyles:
        """Find styles and groups, each with its account, and the styles of these groups."""
        asked = columns(named, 0, 1)
        groups = await self._connection.fetch(
            """
            SELECT style_group_id, g.account_id, revision, deleted, document -> 'rules' AS rules
            FROM style_groups g
            JOIN unnest($1::uuid[], $2::uuid[]) AS asked (account_id, style_group_id) USING (
                account_id, style_group_id
            )
            """,
            *asked,
        )
        rules = {
            row["style_group_id"]: _RULES.validate_python(row["rules"])
            for row in groups
            if not row["deleted"]
        }
        chosen = {
            (row["account_id"], rule.style_id)
            for row in groups
            for rule in rules.get(row["style_group_id"], ())
        }
        styles = await self._connection.fetch(
            """
            SELECT style_id, revision, deleted
            FROM styles
            JOIN unnest($1::uuid[], $2::uuid[]) AS asked (account_id, style_id) USING (
                account_id, style_id
            )
            """,
            *columns({*named, *chosen}, 0, 1),
        )
        return KnownStyles(
            {row["style_group_id"]: row["revision"] for row in groups}
            | {row["style_id"]: row["revision"] for row in styles},
            rules,
            {row["style_id"] for row in styles if not row["deleted"]},
        )

    async def read(self, style_id: UUID) -> tuple[int, Style, dict[str, ImageReference]]:
        """Read a style that has arrived: its revision, the style, its images by file name."""
        row = await self._connection.fetchrow(
            "SELECT revision, document, images FROM styles WHERE style_id = $1", style_id
        )
        if row is None:
            raise LookupError(style_id)
        return (
            row["revision"],
            Style.model_validate(row["document"]),
            _IMAGES.validate_python(row["images"]),
        )

    async def save_style(self, saved: StyleSaved) -> None:
        """Keep a revision unless a newer one is here."""
        await self._connection.execute(
            """
            INSERT INTO styles (style_id, account_id, revision, document, images, deleted)
            VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (style_id) DO UPDATE SET
                revision = excluded.revision, document = excluded.document,
                images = excluded.images, deleted = excluded.deleted
            WHERE styles.revision < excluded.revision
            """,
            saved.style_id,
            saved.account_id,
            saved.revision,
            saved.document,
            {name: image.model_dump() for name, image in saved.images.items()},
            saved.deleted,
        )

    async def save_group(self, saved: StyleGroupSaved) -> None:
        """Keep a revision unless a newer one is here."""
        await self._connection.execute(
            """
            INSERT INTO style_groups (style_group_id, account_id, revision, document, deleted)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (style_group_id) DO UPDATE SET
                revision = excluded.revision, document = excluded.document,
                deleted = excluded.deleted
            WHERE style_groups.revision < excluded.revision
            """,
            saved.style_group_id,
            saved.account_id,
            saved.revision,
            saved.document,
            saved.deleted,
        )
