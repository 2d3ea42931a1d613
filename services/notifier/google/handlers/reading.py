"""What is asked about passes at Google: links, states, how far templates are."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from services.notifier.google.clients.accounts import ServiceAccounts
from services.notifier.google.domain.links import claims_of
from services.notifier.google.domain.sending import Issuer
from services.notifier.google.repository import IssuerRepository, StandingRepository
from services.notifier.google.repository.standings import Kept
from shared import clock
from shared.contracts.notifier import (
    GoogleLink,
    GoogleOutlook,
    GooglePassState,
    GoogleTemplateStatus,
    ReadGoogleLink,
    ReadGoogleOutlook,
    ReadGoogleState,
    ReadGoogleStatus,
    ReadNotices,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, ConflictError, NotFoundError, NotReadyError
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

    What a development issuer has is never at Google: its links are as good as they can be.
    """
    found = await StandingRepository(work.connection).find(
        {(query.account_id, query.handle) for query in queries}
    )
    issuers = await IssuerRepository(work.connection).find(
        {kept.issuer_id for kept in found.values()}
    )
    replies: list[GoogleLink | ApplicationError | NotReadyError] = []
    for query in queries:
        kept = found.get((query.account_id, query.handle))
        issuer = issuers.get(kept.issuer_id) if kept else None
        if kept is None or kept.is_deleted:
            replies.append(GoogleObjectNotFoundError())
        elif kept.state == "refused" and not kept.is_there:
            replies.append(RefusedByGoogleError(kept.words or None))
        elif issuer is None or not _is_ready(kept, issuer, addresses):
            replies.append(NotReadyError())
        else:
            replies.append(await _sign(query, kept, issuer, accounts, addresses))
    return replies


async def read_google_states(
    queries: Sequence[ReadGoogleState | ReadNotices], work: UnitOfWork, *, at_google: bool
) -> list[GooglePassState]:
    """Tell how passes stand at Google."""
    found = await StandingRepository(work.connection).find(
        {(query.account_id, query.handle) for query in queries}
    )
    kept = [found.get((query.account_id, query.handle)) for query in queries]
    return [_state(one, at_google=at_google) if one else GooglePassState() for one in kept]


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


def _is_ready(kept: Kept, issuer: Issuer, addresses: GoogleAddresses) -> bool:
    return kept.is_there or (issuer.development and addresses.is_google)


async def _sign(
    query: ReadGoogleLink,
    kept: Kept,
    issuer: Issuer,
    accounts: ServiceAccounts,
    addresses: GoogleAddresses,
) -> GoogleLink:
    account = await accounts.of(issuer)
    ids = {"id": kept.document_id, "classId": kept.class_id}  # tells of nobody
    claims = claims_of(
        account.email, {f"{kept.type}Objects": [ids]}, query.origin, clock.now(), query.life_seconds
    )
    ends = claims.get("exp")
    return GoogleLink(
        object_id=kept.document_id,
        class_id=kept.class_id,
        save_url=f"{addresses.save_url}/{account.sign(claims)}",
        expires_at=datetime.fromtimestamp(ends, UTC) if ends else None,
    )


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
