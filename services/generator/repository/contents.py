"""What Apple Wallet gets of each pass; whoever writes it has locked the pass."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.generator.domain import KnownPass
from services.generator.renderers.apple import (
    ComposedWith,
    Earlier,
    RenderedPass,
    RenderJob,
    TemplateBundle,
)
from services.generator.renderers.blanks import BETWEEN, Blank
from shared.database import Connection, columns


@dataclass(frozen=True, slots=True)
class StoredContent:
    """A pass's whole content."""

    handle: str
    version: int
    template_revision: int
    identity_revision: int
    environment_digest: int
    content_number: int
    files: bytes
    """pass.json and manifest, packed."""
    blank_id: UUID | None
    """What they are packed against; None: they are not, as in earlier times."""
    manifest_digest: bytes
    signature_value: bytes | None
    signed_at: datetime | None
    """None: nobody has fetched these bytes, so that they are not signed."""
    last_modified: datetime
    token_at: int | None
    """Where the authentication token belongs; None: it is in there, as it was in earlier times."""
    token_key: str | None

    def earlier(self) -> Earlier:
        """Return what composing has to know of it."""
        return Earlier(
            self.version,
            self.manifest_digest,
            ComposedWith(self.template_revision, self.identity_revision, self.environment_digest),
            self.content_number,
            self.signature_value is not None,
            self.token_key,
        )

    def is_made_with(self, bundle: TemplateBundle) -> bool:
        return self.earlier().is_made_with(bundle)

    def unpack(self, blanks: Mapping[UUID, Blank]) -> tuple[bytes, bytes]:
        """Give pass.json, without its token, and the manifest."""
        if self.blank_id is None:
            pass_json, manifest = self.files.split(BETWEEN)
        else:
            pass_json, manifest = blanks[self.blank_id].unpack(self.files)
        return pass_json, manifest


class ContentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_earlier(self, handles: Iterable[str]) -> dict[str, Earlier]:
        """Find what composing has to know of contents; passes never fetched have none."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle, version, manifest_digest, template_revision, identity_revision,
                environment_digest, content_number, signature_value IS NOT NULL AS is_signed,
                token_key
            FROM apple_contents
            WHERE handle = ANY($1::text[])
            """,
            list(handles),
        )
        return {
            row["handle"]: Earlier(
                row["version"],
                row["manifest_digest"],
                ComposedWith(
                    row["template_revision"], row["identity_revision"], row["environment_digest"]
                ),
                row["content_number"],
                row["is_signed"],
                row["token_key"],
            )
            for row in rows
        }

    async def find(
        self, handles: Iterable[str]
    ) -> tuple[dict[str, KnownPass], dict[str, StoredContent]]:
        """Find passes with their whole contents; those never fetched have none.

        One look into the index for each, also by a plan that was made when hardly any was fetched.
        """
        rows = await self._connection.fetch(
            """
            SELECT
                p.handle, p.account_id, p.template_id, p.version AS known_version, p.state,
                p.deleted_at IS NOT NULL AS is_deleted, c.version, c.template_revision,
                c.identity_revision, c.environment_digest, c.content_number, c.files,
                c.blank_id, c.manifest_digest, c.signature_value, c.signed_at,
                c.last_modified, c.token_at, c.token_key
            FROM passes p
            LEFT JOIN LATERAL (
                SELECT *
                FROM apple_contents
                WHERE handle = p.handle
                LIMIT 1
            ) AS c ON true
            WHERE p.handle = ANY($1::text[])
            """,
            list(set(handles)),
        )
        passes = {
            row["handle"]: KnownPass(
                row["handle"],
                row["account_id"],
                row["template_id"],
                row["known_version"],
                row["state"],
                row["is_deleted"],
            )
            for row in rows
        }
        there = [row for row in rows if row["content_number"] is not None]
        return passes, {row["handle"]: _content(row) for row in there}

    async def store(
        self, rendered: Sequence[tuple[RenderJob, RenderedPass]], at: datetime
    ) -> list[StoredContent]:
        """Store contents of locked passes, unless the pass version or a revision would fall.

        Those that were to be signed are served. The content number rises only when the manifest
        differs; `last_modified`, in whole seconds, then rises by at least one over a content that
        was served. A signature stays as long as the same identity would sign the same bytes.
        Revisions of identities compare only within a revision of the template, which names the
        identity.
        """
        ordered = sorted(rendered, key=lambda item: item[0].pass_.handle)
        jobs, made = [job for job, _ in ordered], [one for _, one in ordered]
        blanks = {job.bundle.blank.blank_id: job.bundle.blank for job in jobs}
        rows = await self._connection.fetch(
            """
            WITH kept AS (
                INSERT INTO blanks (blank_id, files)
                SELECT *
                FROM unnest($14::uuid[], $15::bytea[])
                ON CONFLICT DO NOTHING
            )
            INSERT INTO apple_contents AS old (
                handle, version, template_revision, identity_revision, environment_digest,
                content_number, manifest_digest, files, blank_id, token_at, token_key,
                signature_value, signed_at, last_modified, served
            )
            SELECT
                handle, version, template_revision, identity_revision, environment_digest, 1,
                manifest_digest, files, blank_id, token_at, token_key, signature_value,
                CASE WHEN signature_value IS NOT NULL THEN $12::timestamptz END,
                $12, served
            FROM unnest(
                $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::uuid[],
                $7::bytea[], $8::integer[], $9::text[], $10::bytea[], $11::bytea[], $13::boolean[]
            ) AS new (
                handle, version, template_revision, identity_revision, environment_digest,
                blank_id, manifest_digest, token_at, token_key, signature_value, files, served
            )
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version,
                template_revision = excluded.template_revision,
                identity_revision = excluded.identity_revision,
                environment_digest = excluded.environment_digest,
                content_number =
                    old.content_number
                    + (old.manifest_digest <> excluded.manifest_digest)::integer,
                manifest_digest = excluded.manifest_digest,
                (files, blank_id, token_at, token_key) = (
                    SELECT
                        CASE WHEN stays THEN old.files ELSE excluded.files END,
                        CASE WHEN stays THEN old.blank_id ELSE excluded.blank_id END,
                        CASE WHEN stays THEN old.token_at ELSE excluded.token_at END,
                        CASE WHEN stays THEN old.token_key ELSE excluded.token_key END
                    FROM (SELECT excluded.files = '' AS stays) AS decided
                ),
                (signature_value, signed_at) = (
                    SELECT
                        CASE WHEN stays THEN old.signature_value ELSE excluded.signature_value END,
                        CASE WHEN stays THEN old.signed_at ELSE excluded.signed_at END
                    FROM (
                        SELECT excluded.signature_value IS NULL
                            AND old.manifest_digest = excluded.manifest_digest
                            AND old.identity_revision = excluded.identity_revision
                            AND old.environment_digest = excluded.environment_digest AS stays
                    ) AS decided
                ),
                served = excluded.served
                    OR old.served AND old.manifest_digest = excluded.manifest_digest,
                last_modified = CASE
                    WHEN old.manifest_digest = excluded.manifest_digest THEN old.last_modified
                    WHEN old.served
                    THEN greatest(
                        excluded.last_modified, old.last_modified + interval '1 second'
                    )
                    ELSE greatest(excluded.last_modified, old.last_modified)
                END
            WHERE excluded.version >= old.version
                AND (excluded.template_revision, excluded.identity_revision) >= (
                    old.template_revision, old.identity_revision
                )
            RETURNING
                handle, version, template_revision, identity_revision, environment_digest,
                content_number, files, blank_id, manifest_digest, signature_value, signed_at,
                last_modified, token_at, token_key
            """,
            *columns(jobs, "pass_.handle", "pass_.version"),
            *columns(
                jobs,
                "bundle.revision",
                "bundle.identity.revision",
                "bundle.environment_digest",
                "bundle.blank.blank_id",
            ),
            *columns(made, "manifest_digest", "token_at", "token_key", "signature_value"),
            [_pack(one, job.bundle.blank) for job, one in ordered],
            at.replace(microsecond=0),
            [job.sign for job in jobs],
            *columns((blanks[blank_id] for blank_id in sorted(blanks)), "blank_id", "files"),
        )
        return [_content(row) for row in rows]

    async def claim_cut(self) -> str | None:
        """Take on the cutting of tokens: the last handle that is done; None if nothing is to do."""
        return await self._connection.fetchval(
            "SELECT after_handle FROM token_cuts FOR UPDATE SKIP LOCKED"
        )

    async def lock_after(self, handle: str, most: int) -> list[tuple[str, bytes | None]]:
        """Lock the contents that follow; with the files of those that hold their token."""
        rows = await self._connection.fetch(
            """
            SELECT handle, CASE WHEN token_at IS NULL THEN files END AS files
            FROM apple_contents
            WHERE handle > $1
            ORDER BY handle
            LIMIT $2
            FOR NO KEY UPDATE
            """,
            handle, most,
        )  # fmt: skip
        return [(row["handle"], row["files"]) for row in rows]

    async def cut(self, cuts: Sequence[tuple[str, bytes, int, str]]) -> None:
        """Store of locked contents: handle, files without the token, where it was, its key."""
        rows: list[tuple[Any, ...]] = list(zip(*cuts, strict=True))
        await self._connection.execute(
            """
            UPDATE apple_contents
            SET files = cut.files, token_at = cut.token_at, token_key = cut.token_key
            FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::text[]) AS cut (
                handle, files, token_at, token_key
            )
            WHERE apple_contents.handle = cut.handle
            """,
            *(list(column) for column in rows),
        )

    async def note_cut(self, after_handle: str | None) -> None:
        """Remember how far the cutting has come; None: it is over."""
        if after_handle is None:
            await self._connection.execute("DELETE FROM token_cuts")
        else:
            await self._connection.execute("UPDATE token_cuts SET after_handle = $1", after_handle)


def _pack(rendered: RenderedPass, blank: Blank) -> bytes:
    """Pack what was composed; nothing where it is as it was before."""
    if rendered.pass_json is None or rendered.manifest is None:
        return b""
    return blank.pack(rendered.pass_json, rendered.manifest)


def _content(row: asyncpg.Record) -> StoredContent:
    return StoredContent(
        row["handle"],
        row["version"],
        row["template_revision"],
        row["identity_revision"],
        row["environment_digest"],
        row["content_number"],
        row["files"],
        row["blank_id"],
        row["manifest_digest"],
        row["signature_value"],
        row["signed_at"],
        row["last_modified"],
        row["token_at"],
        row["token_key"],
    )
