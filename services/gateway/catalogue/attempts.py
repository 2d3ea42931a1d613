"""Attempts to guess what only some know: each counts at places, until it proves to be right."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from aiohttp import hdrs

from services.gateway.repository.attempts import AttemptRepository
from shared.database import Database, UnitOfWork
from shared.errors import TooManyRequestsError
from shared.identifiers import new_id

KEPT: Final = timedelta(hours=1)
"""No limit looks back further."""


class TooManyAttemptsError(TooManyRequestsError):
    """Too many wrong attempts: wait as long as Retry-After says."""

    code = "too_many_attempts"

    def __init__(self, seconds: int = 1) -> None:
        super().__init__(f"Too many wrong attempts: wait {seconds} seconds.")
        self.headers = {hdrs.RETRY_AFTER: str(seconds)}


@dataclass(frozen=True, slots=True)
class Limit:
    """How many wrong attempts there may be, and within which time."""

    most: int
    within: timedelta


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that is on its way."""

    attempt_id: UUID
    places: Sequence[bytes]


async def begin(work: UnitOfWork, limits: Mapping[bytes, Limit]) -> Attempt:
    """Note an attempt at each place before it is looked at, so that many at once do not slip by."""
    attempts = AttemptRepository(work.connection)
    attempt = Attempt(new_id(), sorted(limits))
    await attempts.lock(attempt.places)
    for place, limit in limits.items():
        seconds = await attempts.seconds_to_wait(place, limit.most, limit.within)
        if seconds is not None:
            raise TooManyAttemptsError(seconds)
    await attempts.add(attempt.attempt_id, attempt.places)
    return attempt


async def forget(work: UnitOfWork, attempt: Attempt) -> None:
    """Take back an attempt that turned out to be right."""
    await AttemptRepository(work.connection).forget(attempt.attempt_id, attempt.places)


async def forget_old(database: Database) -> None:
    """Delete attempts that count no more."""
    async with database.connection() as connection:
        await AttemptRepository(connection).forget_old(KEPT)


def place(kind: str, text: str) -> bytes:
    """Make a digest: an attempt by somebody unknown leaves no address of theirs with us."""
    return hashlib.sha256(f"{kind}:{text}".encode("utf-8", "surrogatepass")).digest()
