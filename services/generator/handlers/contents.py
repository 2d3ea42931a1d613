"""Contents are read: composed if that is left to do, signed when they are served, once."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from uuid import UUID

import orjson

from services.generator.clients import RenderPool
from services.generator.domain import KnownPass
from services.generator.handlers.composing import compose_and_store, find_own_images
from services.generator.handlers.readiness import Refusal, refuse
from services.generator.renderers.apple import (
    NO_IMAGES,
    OwnImages,
    RenderJob,
    TemplateBundle,
    lay_over,
    put_back,
)
from services.generator.renderers.blanks import Blank
from services.generator.repository.bundles import BundleCache
from services.generator.repository.contents import ContentRepository, StoredContent
from services.generator.repository.passes import PassRepository
from shared.contracts.generator import Content, ReadContent
from shared.contracts.triggers import Pass
from shared.database import UnitOfWork
from shared.errors import NotReadyError
from shared.passes.schema.slots import OWN_IMAGES_ONLY_PATH

IMAGE_MARKS = ('"images_', f'"{OWN_IMAGES_ONLY_PATH}"')
"""What stands in the stored state of a pass with images of its own; cheaper than reading it."""

STYLE_MARK = '"style_'
"""The same of a pass that has a style, or whose member has."""


async def read_contents(
    queries: list[ReadContent], work: UnitOfWork, *, cache: BundleCache, pool: RenderPool
) -> list[Content | Refusal]:
    """Give contents at the versions asked or later, by the newest revisions known.

    What is not composed, or not signed, is now: whoever asks meanwhile waits for it, so that all
    get the same bytes.
    """
    newest = await cache.newest(work.connection, {q.template_id for q in queries})
    found = _Found(work, cache, newest)
    await found.look(query.handle for query in queries)
    unfinished = found.unfinished(queries)
    if unfinished:
        await _finish(unfinished, found, work, pool)
        # Composing with a newer revision may have made other bytes than the asker has.
        if unsigned := found.unfinished(unfinished):
            await _finish(unsigned, found, work, pool)
    refusals = [found.last_refusal(query) for query in queries]
    readable = [q for q, refusal in zip(queries, refusals, strict=True) if refusal is None]
    own = await _own_images(readable, found, work)
    blank_ids = {found.contents[query.handle].blank_id for query in readable}
    blanks = await cache.blanks(work.connection, [i for i in blank_ids if i is not None])
    return [
        refusal or _answer(query, found, own.get(query.handle, NO_IMAGES), blanks)
        for query, refusal in zip(queries, refusals, strict=True)
    ]


@dataclass(slots=True)
class _Found:
    """What is there of the passes that are asked for, in this transaction."""

    work: UnitOfWork
    cache: BundleCache
    newest: dict[UUID, TemplateBundle]
    bundles: dict[str, TemplateBundle] = field(default_factory=dict[str, TemplateBundle])
    """By what each pass is made: its template, with its style. What has not arrived lacks."""
    passes: dict[str, KnownPass] = field(default_factory=dict[str, KnownPass])
    contents: dict[str, StoredContent] = field(default_factory=dict[str, StoredContent])

    async def look(self, handles: Iterable[str]) -> None:
        """Look what is stored of passes and contents by now."""
        passes, contents = await ContentRepository(self.work.connection).find(handles)
        self.passes |= passes
        self.contents |= contents
        styled: list[Pass] = []
        for handle, known in passes.items():
            bundle = self.newest.get(known.template_id)
            if bundle is None or known.is_deleted:
                continue
            if STYLE_MARK in known.state or any(bundle.named_styles):
                styled.append(known.load())
            else:
                self.bundles[handle] = bundle
        if styled:
            self.bundles |= await self.cache.styled(self.work.connection, self.newest, styled)

    def refusal(self, query: ReadContent) -> Refusal | None:
        """Why a query gets no content; NotReadyError if what it asks for has not arrived."""
        bundle = self.bundles.get(query.handle)
        if refusal := refuse(query, self.passes.get(query.handle), bundle):
            return refusal
        has_identity = bundle is not None and bundle.has_identity(
            query.template_revision, query.identity_revision
        )
        return None if has_identity else NotReadyError()

    def last_refusal(self, query: ReadContent) -> Refusal | None:
        """Why a query gets no content when all is done: another process may know more than this."""
        refusal = self.refusal(query)
        if refusal is None and not self._is_finished(query):
            return NotReadyError()
        return refusal

    def unfinished(self, queries: Sequence[ReadContent]) -> list[ReadContent]:
        """List the queries whose content is still to be composed, or to be signed for them."""
        return [q for q in queries if self.refusal(q) is None and not self._is_finished(q)]

    def is_to_be_signed(self, query: ReadContent) -> bool:
        """Whether a query that is unfinished surely gets the bytes, not only the news of none."""
        return self._is_composed(query) or not (
            query.handle in self.contents and query.modified_since
        )

    def _is_finished(self, query: ReadContent) -> bool:
        return self._is_composed(query) and self._is_signed_for(query)

    def _is_composed(self, query: ReadContent) -> bool:
        content = self.contents.get(query.handle)
        return (
            content is not None
            and content.version >= self.passes[query.handle].version
            and content.is_made_with(self.bundles[query.handle])
        )

    def _is_signed_for(self, query: ReadContent) -> bool:
        content = self.contents[query.handle]
        return content.signature_value is not None or is_known_to(query, content)


def is_known_to(query: ReadContent, content: StoredContent) -> bool:
    """Whether the asker has these bytes."""
    since = query.modified_since
    return since is not None and content.last_modified <= since.astimezone(UTC)


async def _finish(
    queries: Sequence[ReadContent], found: _Found, work: UnitOfWork, pool: RenderPool
) -> None:
    """Compose and sign what is still to be when these passes are locked."""
    await PassRepository(work.connection).lock({query.handle for query in queries})
    await found.look(query.handle for query in queries)
    unfinished = found.unfinished(queries)
    passes = {q.handle: found.passes[q.handle].load() for q in unfinished}
    own = await find_own_images(passes.values(), work)
    signed = {query.handle for query in unfinished if found.is_to_be_signed(query)}
    jobs = [
        RenderJob(
            found.bundles[handle],
            pass_,
            content.earlier() if (content := found.contents.get(handle)) else None,
            own.get(handle, NO_IMAGES),
            sign=handle in signed,
        )
        for handle, pass_ in passes.items()
    ]
    found.contents |= await compose_and_store(jobs, work, pool)


async def _own_images(
    queries: Collection[ReadContent], found: _Found, work: UnitOfWork
) -> dict[str, OwnImages]:
    known = [found.passes[handle] for handle in {query.handle for query in queries}]
    marked = [one for one in known if any(mark in one.state for mark in IMAGE_MARKS)]
    return await find_own_images([one.load() for one in marked], work)


def _answer(
    query: ReadContent, found: _Found, own: OwnImages, blanks: Mapping[UUID, Blank]
) -> Content:
    content, bundle = found.contents[query.handle], found.bundles[query.handle]
    if is_known_to(query, content) or content.signed_at is None:
        return Content(
            handle=content.handle,
            content_number=content.content_number,
            pass_version=content.version,
            last_modified=content.last_modified,
            not_modified=True,
            pass_type_identifier=bundle.identity.pass_type_identifier,
        )
    pass_json, manifest = content.unpack(blanks)
    return Content.model_construct(
        handle=content.handle,
        content_number=content.content_number,
        pass_version=content.version,
        last_modified=content.last_modified,
        pass_json=_with_token(pass_json, content, found.passes[query.handle], bundle),
        manifest=manifest,
        signature=bundle.identity.signer.assemble(
            content.manifest_digest, content.signed_at, content.signature_value or b""
        ),
        images=lay_over(bundle, own),
        files=dict(bundle.files),
        pass_type_identifier=bundle.identity.pass_type_identifier,
    )


def _with_token(
    pass_json: bytes, content: StoredContent, known: KnownPass, bundle: TemplateBundle
) -> bytes:
    """Return the bytes that were signed, with the authentication token."""
    if content.token_at is None:
        return pass_json
    serial_number = orjson.loads(known.state)["serial_number"]
    token = bundle.tokens.issue(
        content.token_key, bundle.identity.pass_type_identifier, serial_number
    )
    return put_back(pass_json, token, content.token_at)
