"""Google Wallet issuers, by whose accounts everything is sent."""

from collections.abc import Callable

from services.notifier.google.repository import IssuerRepository, LimitRepository
from shared.contracts.gateway import GoogleIssuerSaved
from shared.database import UnitOfWork

StartSending = Callable[[], None]
"""Tells the worker that something will be due at Google once this work commits."""


async def keep_google_issuers(
    messages: list[GoogleIssuerSaved], work: UnitOfWork, *, start_sending: StartSending
) -> None:
    """Keep issuers; a new key takes over at once, and what waited for it goes on."""
    await LimitRepository(work.connection).add({one.project_id for one in messages})
    if await IssuerRepository(work.connection).save_all(messages):
        work.after_commit(start_sending)
