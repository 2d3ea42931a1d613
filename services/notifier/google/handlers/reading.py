"""What is asked about passes at Google: links, states, how far templates are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.domain.links import (
    MAX_LINK_CHARACTERS,
    carried,
    claims_of,
    ids_of,
)
from services.notifier.google.repository import IssuerRepository, StandingRepository
from services.notifier.google.repository.standings import Kept
from shared import clock
from shared.contracts.message import JsonObject
from shared.contracts.notifier import (
    GoogleLink,
    GoogleObjects,
    GoogleOutlook,
    GooglePassState,
    GoogleTemplateStatus,
    ListGoogleObjects,
    ReadGoogleLink,
    ReadGoogleOutlook,
    ReadGoogleState,
    ReadGoogleStatus,
    ReadNotices,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, ConflictError, NotFoundError, NotReadyError
from shared.google.accounts import ServiceAccount
from shared.google.api import GoogleAddresses

NO_LOCATIONS: Final = (
    "Google has not allowed this issuer merchant locations: passes are sent without them."
)


class GoogleObjectNotFoundError(NotFoundError):
    """Nobody wanted this pass in Google Wallet."""

    code = "google_object_not_found"


class RefusedByGoogleError(ConflictError):
    """Google Wallet does not take this pass."""

    code = "refused_by_google"


async def read_google_links(
    queries: list[ReadGoogleLink],
    work: UnitOfWork,
    *,
    accounts: ServiceAccounts,
    addresses: GoogleAddresses,
) -> list[GoogleLink | ApplicationError | NotReadyError]:
    """Sign links for passes that are there; who asks too early asks again.

    While Google's API fails, a link that carries a small object makes it by itself. What a
    development issuer has is never at Google: its links are as good as they can be.
    """
    standings = StandingRepository(work.connection)
    found = await standings.find({(query.account_id, query.handle) for query in queries})
    issuers = await IssuerRepository(work.connection).find(
        {kept.issuer_id for kept in found.values()}
    )
    failing = {one.document_id for one in found.values() if one.is_failing}
    wanted = await standings.find_wanted(failing) if failing else {}
    replies: list[GoogleLink | ApplicationError | NotReadyError] = []
    for query in queries:
        kept = found.get((query.account_id, query.handle))
        issuer = issuers.get(kept.issuer_id) if kept else None
        if kept is None or kept.is_deleted:
            replies.append(GoogleObjectNotFoundError())
        elif kept.state == "refused" and not _has(kept, query.version):
            replies.append(RefusedByGoogleError(kept.words or None))
        elif issuer is None:
            replies.append(NotReadyError())
        else:
            signer = _Signer(query, kept, await accounts.of(issuer), addresses.save_url)
            if _has(kept, query.version) or (issuer.development and addresses.is_google):
                replies.append(signer.sign(ids_of(kept.document_id, kept.class_id)))
            else:
                body = None if kept.is_there else wanted.get(kept.document_id)
                replies.append(NotReadyError() if body is None else signer.sign_whole(body))
    return replies


async def list_google_objects(
    queries: list[ListGoogleObjects], work: UnitOfWork
) -> list[GoogleObjects]:
    """List the objects of members' passes."""
    members = {(query.account_id, query.member_id) for query in queries}
    found = await StandingRepository(work.connection).find_of_members(members)
    return [
        GoogleObjects(objects=found.get((query.account_id, query.member_id), []))
        for query in queries
    ]


async def read_google_states(
    queries: Sequence[ReadGoogleState | ReadNotices], work: UnitOfWork, *, at_google: bool
) -> list[GooglePassState]:
    """Tell how passes stand at Google."""
    found = await StandingRepository(work.connection).find(
        {(query.account_id, query.handle) for query in queries}
    )
    kept = [found.get((query.account_id, query.handle)) for query in queries]
    states = [_state(one, at_google=at_google) if one else GooglePassState() for one in kept]
    shown = {
        document_id
        for query, state in zip(queries, states, strict=True)
        if isinstance(query, ReadGoogleState) and query.with_documents
        for document_id in (state.class_id, state.object_id)
        if document_id is not None
    }
    if not shown:
        return states
    documents = await StandingRepository(work.connection).find_wanted(shown)
    return [
        state.model_copy(
            update={
                "class_document": documents.get(state.class_id or ""),
                "object_document": documents.get(state.object_id or ""),
            }
        )
        for state in states
    ]


async def read_google_outlooks(
    queries: list[ReadGoogleOutlook], work: UnitOfWork, *, rate: float, at_google: bool
) -> list[GoogleOutlook]:
    """Tell what changes of templates and passes would mean."""
    standings, at = StandingRepository(work.connection), clock.now()
    return [await standings.foresee(query, at, rate, at_google=at_google) for query in queries]


async def read_google_status(
    queries: list[ReadGoogleStatus], work: UnitOfWork, *, rate: float
) -> list[GoogleTemplateStatus]:
    """Tell how far templates are, and when all of it will be there at the present pace."""
    standings = StandingRepository(work.connection)
    shown: list[GoogleTemplateStatus] = []
    for query in queries:
        count = await standings.count(query.account_id, query.template_id)
        calls, seconds = await standings.count_calls(query.template_id, rate)
        shown.append(
            GoogleTemplateStatus(
                wanted=count.wanted,
                there=count.there,
                waiting=count.waiting,
                refused=count.refused,
                holders=count.holders,
                oldest_waiting_at=count.oldest_waiting_at,
                review=count.review,
                refusals=count.refusals,
                notes=[NO_LOCATIONS] if count.refuses_locations else [],
                calls_waiting=calls,
                done_at=clock.now() + timedelta(seconds=seconds) if calls else None,
            )
        )
    return shown


def _has(kept: Kept, version: int) -> bool:
    """Whether Google has a pass at this version at least; one that looked alike was not sent."""
    is_alike = kept.state == "there" and kept.wanted_version >= version
    return kept.is_there and (kept.sent_version >= version or is_alike)


@dataclass(frozen=True, slots=True)
class _Signer:
    """Makes links for one pass."""

    query: ReadGoogleLink
    kept: Kept
    account: ServiceAccount
    save_url: str

    def sign(self, content: JsonObject) -> GoogleLink:
        """Vouch for an object, by its name or as a whole."""
        query, objects = self.query, {f"{self.kept.type}Objects": [content]}
        at = clock.now()
        claims = claims_of(self.account.email, objects, query.origin, at, query.life_seconds)
        ends = claims.get("exp")
        return GoogleLink(
            object_id=self.kept.document_id,
            class_id=self.kept.class_id,
            save_url=f"{self.save_url}/{self.account.sign(claims)}",
            expires_at=datetime.fromtimestamp(ends, UTC) if ends else None,
        )

    def sign_whole(self, wanted: JsonObject) -> GoogleLink | NotReadyError:
        """Carry as much of an object as a link may be long."""
        kept = self.kept
        for content in carried(kept.type, wanted, kept.handle):
            link = self.sign(content)
            if len(link.save_url) <= MAX_LINK_CHARACTERS:
                return link
        return NotReadyError()


def _state(kept: Kept, *, at_google: bool) -> GooglePassState:
    return GooglePassState(
        state=kept.state,
        object_id=kept.document_id,
        class_id=kept.class_id,
        detail=kept.detail(at_google=at_google),
        wanted_version=kept.wanted_version,
        sent_version=kept.sent_version,
        sent_at=kept.sent_at,
        saved=kept.has_users,
        saved_at=kept.saved_at,
        notified_at=kept.notified_at,
    )
