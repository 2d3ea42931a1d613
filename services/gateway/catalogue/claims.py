"""Idempotency keys: the same request sent again has one effect and gets one answer."""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

import orjson

from services.gateway.domain import EVERY_SCOPE, RESPONSE_PURPOSE
from services.gateway.repository.claims import Attempt, ClaimRepository, Held
from shared.crashing import crash_point
from shared.database import Database, UnitOfWork
from shared.errors import InvalidError
from shared.identifiers import new_id
from shared.messaging.joining import Joiner
from shared.sealing import MasterKeys

FORGET_TURN = 1000


class KeyReusedError(InvalidError):
    """The Idempotency-Key was sent before with another request."""

    code = "idempotency_key_reused"


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer as it left."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    scopes: frozenset[str] = frozenset({EVERY_SCOPE})
    """What the key could do that got it: it may hold secrets that only such a key may see."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The id under which the owner does this request once, however often it is sent."""

    command_id: UUID
    replayed: bool
    response: StoredResponse | None = None


@dataclass(slots=True)
class Turn:
    """One transaction that holds the claim, the effect and the answer."""

    work: UnitOfWork
    replay: StoredResponse | None = None
    """What was answered before; then nothing is to be done."""
    answer: StoredResponse | None = None
    """To be set by whoever does the effect."""


def fingerprint(address: str, body: bytes) -> bytes:
    """Tell whether two requests are the same."""
    return hashlib.sha256(address.encode() + b"\0" + body).digest()


class Claims:
    """Claims keys for 48 hours.

    Two requests with the same key at the same time get the same command id, and both go to the
    owner: its inbox does the command once and gives both the same outcome. So nobody is told 409
    to come again later. Where the effect is the gateway's own, the second waits for the first's
    transaction in `once`, and replays its answer.
    """

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys
        self._joiner: Joiner[Attempt, Held] = Joiner(self._claim_all, most=200)

    async def claim(
        self, account_id: UUID, operation: str, key: str | None, fingerprint: bytes
    ) -> Claim:
        """Give the command id of a request; without a key a new one, and no look at the database.

        KeyReusedError if the key came with another fingerprint before.
        """
        if key is None:
            return Claim(new_id(), replayed=False)
        attempt = Attempt(account_id, operation, key, fingerprint, new_id())
        held = await self._joiner.join(attempt)
        return Claim(
            held.command_id,
            replayed=held.command_id != attempt.command_id,
            response=self._response(attempt, held),
        )

    @asynccontextmanager
    async def once(
        self, account_id: UUID, operation: str, key: str | None, fingerprint: bytes
    ) -> AsyncGenerator[Turn]:
        """Open a transaction for an effect in the gateway's own database.

        With a key it holds the claim too, and stores the turn's `answer`. An error undoes all.
        """
        async with self._database.work() as work:
            turn = Turn(work)
            if key is None:
                yield turn
                return
            claims = ClaimRepository(work.connection)
            attempt = Attempt(account_id, operation, key, fingerprint, new_id())
            (held,) = await claims.claim([attempt])
            turn.replay = self._response(attempt, held)
            yield turn
            if turn.replay is None and turn.answer is not None:
                await claims.store_response(attempt, self._seal(attempt, turn.answer))
            crash_point("effects.committing")
        crash_point("effects.committed")

    async def keep(self, attempt: Attempt, answer: StoredResponse) -> None:
        """Keep the answer of a claimed request, for whoever sends it again."""
        async with self._database.connection() as connection:
            await ClaimRepository(connection).store_response(attempt, self._seal(attempt, answer))

    async def forget_expired(self) -> None:
        """Delete keys whose time is over."""
        while True:
            async with self._database.connection() as connection:
                if await ClaimRepository(connection).forget_expired(FORGET_TURN) < FORGET_TURN:
                    return

    async def _claim_all(self, attempts: list[Attempt]) -> Sequence[Held | Exception]:
        async with self._database.connection() as connection:
            return await ClaimRepository(connection).claim(attempts)

    def _response(self, attempt: Attempt, held: Held) -> StoredResponse | None:
        if held.fingerprint != attempt.fingerprint:
            raise KeyReusedError
        if held.response is None:
            return None
        owner = str(attempt.account_id)
        plain = self._master_keys.open(held.response, purpose=RESPONSE_PURPOSE, owner=owner)
        head, _, body = plain.partition(b"\n")
        status, headers, *scopes = orjson.loads(head)
        return StoredResponse(status, headers, body, frozenset(*scopes or [[EVERY_SCOPE]]))

    def _seal(self, attempt: Attempt, answer: StoredResponse) -> str:
        """Seal every answer alike: some hold secrets that are shown only once."""
        headers = {
            str(name): value for name, value in answer.headers.items()
        }  # not aiohttp's own kind
        head = orjson.dumps([answer.status, headers, sorted(answer.scopes)])
        return self._master_keys.seal(
            head + b"\n" + answer.body, purpose=RESPONSE_PURPOSE, owner=str(attempt.account_id)
        )
