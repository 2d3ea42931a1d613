"""The state and the content of each pass: lists in, one conditional statement."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.generator.domain import Earlier, RenderedPass, TemplateBundle
from shared.contracts.triggers import DeletedPass, Pass
from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store made of a content."""

    handle: str
    content_number: int
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A pass's whole content, with the state it was made of."""

    handle: str
    account_id: UUID
    template_id: UUID
    version: int
    state: str
    template_revision: int
    identity_revision: int
    content_number: int
    pass_json: bytes | None
    manifest: bytes
    signature_value: bytes | None
    signed_at: datetime
    last_modified: datetime
    served: bool
    deleted_at: datetime | None
    environment: int
    token_at: int | None
    """Where the authentication token belongs; None: it is in there, as it was in earlier times."""
    token_key: str | None

    def earlier(self) -> Earlier:
        return Earlier(
            self.version,
            self.manifest,
            self.template_revision,
            self.identity_revision,
            self.content_number,
            self.deleted_at is not None,
        )


class ContentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def lock_earlier(self, handles: Iterable[str]) -> dict[str, Earlier]:
        """Lock what is there, in one order for all; new passes are missing."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle, version, manifest, template_revision, identity_revision, content_number,
                deleted_at IS NOT NULL AS is_deleted
            FROM contents
            WHERE handle = ANY($1::text[])
            ORDER BY handle
            FOR NO KEY UPDATE
            """,
            list(handles),
        )
        return {row["handle"]: Earlier(*row[1:]) for row in rows}

    async def versions(self, handles: Iterable[str]) -> dict[str, int]:
        """Tell the version that is known of each pass, deleted ones too."""
        rows = await self._connection.fetch(
            """
            SELECT handle, version
            FROM contents
            WHERE handle = ANY($1::text[])
            """,
            list(set(handles)),
        )
        return {row["handle"]: row["version"] for row in rows}

    async def find(self, handles: Iterable[str]) -> dict[str, StoredContent]:
        rows = await self._connection.fetch(
            "SELECT * FROM contents WHERE handle = ANY($1::text[])", list(set(handles))
        )
        return {row["handle"]: StoredContent(**row) for row in rows}

    async def store(
        self, rendered: Sequence[tuple[Pass, TemplateBundle, RenderedPass]], at: datetime
    ) -> list[Stored]:
        """Store contents, unless the pass version or a revision would fall.

        The content number rises only when the manifest differs; `last_modified`, in whole
        seconds, then rises by at least one over a content that was served. Revisions of
        identities compare only within a revision of the template, which names the identity.
        """
        ordered = sorted(rendered, key=lambda item: item[0].handle)
        rows = await self._connection.fetch(
            """
            INSERT INTO contents AS old (
                handle, account_id, template_id, version, state, template_revision,
                identity_revision, content_number, pass_json, manifest, signature_value,
                signed_at, last_modified, environment, token_at, token_key
            )
            SELECT
                handle, account_id, template_id, version, state, template_revision,
                identity_revision, 1, pass_json, manifest, signature_value, $11, $11,
                environment, token_at, token_key
            FROM unnest(
                $1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::text[], $6::bigint[],
                $7::bigint[], $8::bytea[], $9::bytea[], $10::bytea[], $12::bigint[],
                $13::integer[], $14::text[]
            ) AS new (
                handle, account_id, template_id, version, state, template_revision,
                identity_revision, pass_json, manifest, signature_value, environment, token_at,
                token_key
            )
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version, environment = excluded.environment,
                state = excluded.state, template_revision = excluded.template_revision,
                identity_revision = excluded.identity_revision,
                pass_json = coalesce(excluded.pass_json, old.pass_json),
                token_at = CASE
                    WHEN excluded.pass_json IS NULL THEN old.token_at
                    ELSE excluded.token_at
                END,
                token_key = CASE
                    WHEN excluded.pass_json IS NULL THEN old.token_key
                    ELSE excluded.token_key
                END,
                signature_value = coalesce(excluded.signature_value, old.signature_value),
                signed_at = CASE
                    WHEN excluded.signature_value IS NULL THEN old.signed_at
                    ELSE excluded.signed_at
                END,
                manifest = excluded.manifest,
                content_number = old.content_number + (old.manifest <> excluded.manifest)::integer,
                served = old.served AND old.manifest = excluded.manifest,
                last_modified = CASE
                    WHEN old.manifest = excluded.manifest THEN old.last_modified
                    WHEN old.served
                    THEN greatest(
                        excluded.last_modified, old.last_modified + interval '1 second'
                    )
                    ELSE greatest(excluded.last_modified, old.last_modified)
                END
            WHERE old.deleted_at IS NULL
                AND excluded.version >= old.version
                AND (excluded.template_revision, excluded.identity_revision) >= (
                    old.template_revision, old.identity_revision
                )
            RETURNING handle, content_number, last_modified
            """,
            [pass_.handle for pass_, _, _ in ordered],
            [pass_.account_id for pass_, _, _ in ordered],
            [pass_.template_id for pass_, _, _ in ordered],
            [pass_.version for pass_, _, _ in ordered],
            [pass_.model_dump_json(exclude_defaults=True) for pass_, _, _ in ordered],
            [bundle.revision for _, bundle, _ in ordered],
            [bundle.identity.revision for _, bundle, _ in ordered],
            [rendered.pass_json for _, _, rendered in ordered],
            [rendered.manifest for _, _, rendered in ordered],
            [rendered.signature_value for _, _, rendered in ordered],
            at.replace(microsecond=0),
            [bundle.environment for _, bundle, _ in ordered],
            [rendered.token_at for _, _, rendered in ordered],
            [rendered.token_key for _, _, rendered in ordered],
        )
        return [Stored(**row) for row in rows]

    async def mark_served(self, contents: Sequence[StoredContent]) -> bool:
        """Note that these contents are served: the next ones must be seen to be newer.

        False if one of them is no longer what is stored, so that the note would stand on another.
        """
        marked = await self._connection.fetch(
            """
            WITH same AS (
                SELECT handle
                FROM contents
                JOIN unnest($1::text[], $2::bigint[]) AS read (handle, content_number) USING (
                    handle, content_number
                )
                ORDER BY handle
                FOR NO KEY UPDATE OF contents
            )
            UPDATE contents
            SET served = true
            FROM same
            WHERE contents.handle = same.handle
            RETURNING 1
            """,
            *columns(contents, "handle", "content_number"),
        )
        return len(marked) == len(contents)

    async def delete(self, passes: Sequence[DeletedPass]) -> None:
        """Leave tombstones, which refuse what arrives late."""
        await self._connection.execute(
            """
            INSERT INTO contents AS old (
                handle, account_id, template_id, version, state, template_revision,
                identity_revision, content_number, manifest, signed_at, last_modified,
                deleted_at
            )
            SELECT handle, account_id, account_id, version, '', 0, 0, 0, '', now(), now(), now()
            FROM unnest($1::text[], $2::uuid[], $3::bigint[]) AS gone (
                handle, account_id, version
            )
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version, state = '', pass_json = NULL,
                signature_value = NULL, manifest = '',
                deleted_at = coalesce(old.deleted_at, now())
            """,
            *(
                list(column)
                for column in zip(
                    *sorted((p.handle, p.account_id, p.version) for p in passes), strict=True
                )
            ),
        )

    async def forget_deleted(self, days: int, most: int) -> int:
        """Drop tombstones older than `days`; returns how many went."""
        rows = await self._connection.fetch(
            """
            DELETE FROM contents
            WHERE handle = ANY(
                ARRAY(
                    SELECT handle
                    FROM contents
                    WHERE deleted_at < now() - $1 * interval '1 day'
                    LIMIT $2
                )
            )
            RETURNING 1
            """,
            days,
            most,
        )
        return len(rows)

    async def claim_cut(self) -> str | None:
        """Take on the cutting of tokens: the last handle that is done; None if nothing is to do."""
        return await self._connection.fetchval(
            "SELECT after_handle FROM token_cuts FOR UPDATE SKIP LOCKED"
        )

    async def lock_after(self, handle: str, most: int) -> list[tuple[str, bytes | None]]:
        """Lock the contents that follow; with the pass.json of those that hold their token."""
        rows = await self._connection.fetch(
            """
            SELECT handle, CASE WHEN token_at IS NULL THEN pass_json END
            FROM contents
            WHERE handle > $1
            ORDER BY handle
            LIMIT $2
            FOR NO KEY UPDATE
            """,
            handle,
            most,
        )
        return [(row[0], row[1]) for row in rows]

    async def cut(self, cuts: Sequence[tuple[str, bytes, int, str]]) -> None:
        """Store of locked contents: handle, pass.json without its token, where it was, its key."""
        await self._connection.execute(
            """
            UPDATE contents
            SET pass_json = cut.pass_json, token_at = cut.token_at, token_key = cut.token_key
            FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::text[]) AS cut (
                handle, pass_json, token_at, token_key
            )
            WHERE contents.handle = cut.handle
            """,
            *(list(column) for column in zip(*cuts, strict=True)),
        )

    async def note_cut(self, after_handle: str | None) -> None:
        """Remember how far the cutting has come; None: it is over."""
        if after_handle is None:
            await self._connection.execute("DELETE FROM token_cuts")
        else:
            await self._connection.execute("UPDATE token_cuts SET after_handle = $1", after_handle)
