"""What Apple Wallet gets of each pass; whoever writes it has locked the pass."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from services.generator.domain import KnownPass
from services.generator.renderers.apple import (
    ComposedWith,
    Earlier,
    RenderedPass,
    RenderJob,
    TemplateBundle,
)
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
    pass_json: bytes
    manifest: bytes
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
            self.manifest,
            ComposedWith(self.template_revision, self.identity_revision, self.environment_digest),
            self.content_number,
            self.signature_value is not None,
            self.token_key,
        )

    def is_made_with(self, bundle: TemplateBundle) -> bool:
        return self.earlier().is_made_with(bundle)


class ContentRepository:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def find_earlier(self, handles: Iterable[str]) -> dict[str, Earlier]:
        """Find what composing has to know of contents; passes never fetched have none."""
        rows = await self._connection.fetch(
            """
            SELECT
                handle, version, manifest, template_revision, identity_revision,
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
                row["manifest"],
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
        """Find passes with their whole contents; those never fetched have none."""
        rows = await self._connection.fetch(
            """
            SELECT
                p.handle, p.account_id, p.template_id, p.version AS known_version, p.state,
                p.deleted_at IS NOT NULL AS is_deleted, c.version, c.template_revision,
                c.identity_revision, c.environment_digest, c.content_number, c.pass_json,
                c.manifest, c.signature_value, c.signed_at, c.last_modified, c.token_at,
                c.token_key
            FROM passes p
            LEFT JOIN apple_contents c USING (handle)
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
        jobs = [job for job, _ in ordered]
        rows = await self._connection.fetch(
            """
            INSERT INTO apple_contents AS old (
                handle, version, template_revision, identity_revision, environment_digest,
                content_number, manifest, pass_json, token_at, token_key, signature_value,
                signed_at, last_modified, served
            )
            SELECT
                handle, version, template_revision, identity_revision, environment_digest, 1,
                manifest, pass_json, token_at, token_key, signature_value,
                CASE WHEN signature_value IS NOT NULL THEN $11::timestamptz END,
                $11, served
            FROM unnest(
                $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[],
                $7::bytea[], $8::integer[], $9::text[], $10::bytea[], $12::boolean[]
            ) AS new (
                handle, version, template_revision, identity_revision, environment_digest,
                manifest, pass_json, token_at, token_key, signature_value, served
            )
            ON CONFLICT (handle) DO UPDATE SET
                version = excluded.version,
                template_revision = excluded.template_revision,
                identity_revision = excluded.identity_revision,
                environment_digest = excluded.environment_digest,
                content_number =
                    old.content_number + (old.manifest <> excluded.manifest)::integer,
                manifest = excluded.manifest,
                pass_json = coalesce(nullif(excluded.pass_json, ''), old.pass_json),
                token_at = CASE
                    WHEN excluded.pass_json = '' THEN old.token_at
                    ELSE excluded.token_at
                END,
                token_key = CASE
                    WHEN excluded.pass_json = '' THEN old.token_key
                    ELSE excluded.token_key
                END,
                (signature_value, signed_at) = (
                    SELECT
                        CASE WHEN stays THEN old.signature_value ELSE excluded.signature_value END,
                        CASE WHEN stays THEN old.signed_at ELSE excluded.signed_at END
                    FROM (
                        SELECT excluded.signature_value IS NULL
                            AND old.manifest = excluded.manifest
                            AND old.identity_revision = excluded.identity_revision
                            AND old.environment_digest = excluded.environment_digest AS stays
                    ) AS decided
                ),
                served = excluded.served OR old.served AND old.manifest = excluded.manifest,
                last_modified = CASE
                    WHEN old.manifest = excluded.manifest THEN old.last_modified
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
                content_number, pass_json, manifest, signature_value, signed_at, last_modified,
                token_at, token_key
            """,
            *columns(jobs, "pass_.handle", "pass_.version"),
            *columns(
                jobs,
                "bundle.revision",
                "bundle.identity.revision",
                "bundle.environment_digest",
            ),
            [one.manifest for _, one in ordered],
            [one.pass_json or b"" for _, one in ordered],
            [one.token_at for _, one in ordered],
            [one.token_key for _, one in ordered],
            [one.signature_value for _, one in ordered],
            at.replace(microsecond=0),
            [job.sign for job in jobs],
        )
        return [_content(row) for row in rows]

    async def claim_cut(self) -> str | None:
        """Take on the cutting of tokens: the last handle that is done; None if nothing is to do."""
        return await self._connection.fetchval(
            "SELECT after_handle FROM token_cuts FOR UPDATE SKIP LOCKED"
        )

    async def lock_after(self, handle: str, most: int) -> list[tuple[str, bytes | None]]:
        """Lock the contents that follow; with the pass.json of those that hold their token."""
        rows = await self._connection.fetch(
            """
            SELECT handle, CASE WHEN token_at IS NULL THEN pass_json END AS pass_json
            FROM apple_contents
            WHERE handle > $1
            ORDER BY handle
            LIMIT $2
            FOR NO KEY UPDATE
            """,
            handle, most,
        )  # fmt: skip
        return [(row["handle"], row["pass_json"]) for row in rows]

    async def cut(self, cuts: Sequence[tuple[str, bytes, int, str]]) -> None:
        """Store of locked contents: handle, pass.json without its token, where it was, its key."""
        rows: list[tuple[Any, ...]] = list(zip(*cuts, strict=True))
        await self._connection.execute(
            """
            UPDATE apple_contents
            SET pass_json = cut.pass_json, token_at = cut.token_at, token_key = cut.token_key
            FROM unnest($1::text[], $2::bytea[], $3::integer[], $4::text[]) AS cut (
                handle, pass_json, token_at, token_key
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


def _content(row: asyncpg.Record) -> StoredContent:
    return StoredContent(
        row["handle"],
        row["version"],
        row["template_revision"],
        row["identity_revision"],
        row["environment_digest"],
        row["content_number"],
        row["pass_json"],
        row["manifest"],
        row["signature_value"],
        row["signed_at"],
        row["last_modified"],
        row["token_at"],
        row["token_key"],
    )
