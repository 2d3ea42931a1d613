"""Batches at rest: received in sealed chunks, leased, recorded, read again, forgotten."""

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from services.gateway.domain.batches import (
    BATCH_PURPOSE,
    CHUNK_BYTES,
    CHUNK_ROWS,
    ENDED,
    ERASED,
    MAX_OPEN,
    MAX_ROWS,
    Action,
    Batch,
    BatchEndedError,
    BatchKey,
    BatchKind,
    BatchState,
    BatchTooLongError,
    KeptRow,
    Outcome,
    Terms,
    TooManyBatchesError,
    with_twin,
)
from services.gateway.repository.batches import BatchRepository, Chunk
from shared.contracts.gateway import BatchEnded
from shared.contracts.member import ErasedMember
from shared.database import Database, UnitOfWork
from shared.errors import NotFoundError
from shared.identifiers import new_id
from shared.sealing import MasterKeys

LEASE_SECONDS: Final = 15.0
ABANDONED_SECONDS: Final = 3600.0
"""A batch of which nothing came for so long has lost its sender."""

CHUNKS_A_TURN: Final = 20
MARKS_A_TURN: Final = 20_000

_NEXT: Final[Mapping[Action, BatchState]] = {
    "pause": "paused",
    "resume": "queued",
    "cancel": "cancelled",
}
_GOES_ON: Final = frozenset({"queued", "running"})


class BatchNotFoundError(NotFoundError):
    """There is no such batch in this account; it goes with its results some days after its end."""

    code = "batch_not_found"


@dataclass(frozen=True, slots=True)
class LeasedChunk:
    """Rows that this process has in hand."""

    batch: Batch
    chunk: Chunk = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """Rows that are being done."""

    batch: Batch
    key: BatchKey
    number: int
    rows: list[KeptRow] = field(repr=False)
    attempts: int


@dataclass(frozen=True, slots=True)
class DoneChunk:
    """What became of rows."""

    opened: OpenChunk
    outcomes: list[Outcome] = field(repr=False)


class Receiving:
    """A batch on its way in: rows are sealed and kept as they come."""

    def __init__(self, database: Database, batch_id: UUID, key: BatchKey) -> None:
        self.batch_id = batch_id
        self.key = key
        self.rows = 0
        self._database = database
        self._waiting: list[tuple[KeptRow, list[bytes]]] = []
        self._mentions: list[tuple[bytes, int]] = []
        self._size = 0
        self._number = 0

    async def add(
        self,
        row: KeptRow,
        ids: Sequence[tuple[str, ...]],
        mentions: Sequence[tuple[str, ...]],
        size: int,
    ) -> None:
        """Keep a row, which is about `size` long.

        `ids` are what no other row may have, `mentions` what else an erasure finds it by.
        """
        self.rows += 1
        if self.rows > MAX_ROWS:
            raise BatchTooLongError
        self._waiting.append((row, [self.key.digest(*words) for words in ids]))
        self._mentions += [(self.key.digest(*words), row.line) for words in mentions]
        self._size += size
        if len(self._waiting) >= CHUNK_ROWS or self._size >= CHUNK_BYTES:
            await self.flush()

    async def flush(self) -> None:
        """Seal the rows that came last."""
        waiting, self._waiting, self._size = self._waiting, [], 0
        mentions, self._mentions = self._mentions, []
        if not waiting:
            return
        pairs = [(mark, row.line) for row, marks in waiting for mark in marks] + mentions
        async with self._database.work() as work:
            batches = BatchRepository(work.connection)
            first: Mapping[bytes, int] = {}
            if pairs:
                first = await batches.mark(
                    self.batch_id, [mark for mark, _ in pairs], [line for _, line in pairs]
                )
            rows = [with_twin(row, [first[mark] for mark in marks]) for row, marks in waiting]
            chunk = Chunk(
                self._number, rows[0].line, len(rows), self.key.seal_rows(rows, self._number)
            )
            await batches.add_chunk(self.batch_id, chunk)
        self._number += 1


class Batches:
    """The batches of accounts; `due` is set when rows may be done."""

    def __init__(self, database: Database, master_keys: MasterKeys) -> None:
        self._database = database
        self._master_keys = master_keys
        self.due = asyncio.Event()

    async def receive(self, account_id: UUID, kind: BatchKind) -> Receiving:
        """Begin to receive a batch."""
        batch_id, key = new_id(), BatchKey.make()
        sealed = self._master_keys.seal(key.secret, purpose=BATCH_PURPOSE, owner=str(account_id))
        async with self._database.work() as work:
            batches = BatchRepository(work.connection)
            if await batches.count_open(account_id) >= MAX_OPEN:
                raise TooManyBatchesError
            await batches.add(batch_id, account_id, kind, sealed)
        return Receiving(self._database, batch_id, key)

    async def admit(
        self,
        work: UnitOfWork,
        account_id: UUID,
        received: Receiving,
        fingerprint: bytes,
        terms: Terms,
        *,
        again: bool,
    ) -> Batch:
        """Let a batch begin; or find the same one, of the last day, if it is not to be done again.

        The one received is to be given up then.
        """
        batches = BatchRepository(work.connection)
        await batches.lock_account(account_id)
        same = None if again else await batches.find_same(account_id, fingerprint)
        if same is not None:
            return same
        work.after_commit(self.due.set)
        return await batches.admit(received.batch_id, fingerprint, received.rows, terms)

    async def give_up(self, batch_id: UUID) -> None:
        """Delete a batch with all that it holds, a part at a time."""
        is_gone = False
        while not is_gone:
            async with self._database.work("bulk") as work:
                is_gone = await BatchRepository(work.connection).forget_some(
                    batch_id, CHUNKS_A_TURN, MARKS_A_TURN
                )

    async def get(self, account_id: UUID, batch_id: UUID) -> Batch:
        async with self._database.connection() as connection:
            batch = await BatchRepository(connection).find(account_id, batch_id)
        if batch is None:
            raise BatchNotFoundError
        return batch

    async def list(self, account_id: UUID, before: UUID | None, limit: int) -> "list[Batch]":
        """List an account's batches, newest first."""
        async with self._database.connection() as connection:
            return await BatchRepository(connection).list_page(account_id, before, limit)

    async def control(
        self, work: UnitOfWork, account_id: UUID, batch_id: UUID, action: Action
    ) -> Batch:
        """Pause, resume or cancel; what is in hand at that moment is still done."""
        batches = BatchRepository(work.connection)
        batch = await batches.find(account_id, batch_id, lock=True)
        if batch is None:
            raise BatchNotFoundError
        state = _NEXT[action]
        if batch.state == state or (action == "resume" and batch.state in _GOES_ON):
            return batch
        if batch.state in ENDED:
            raise BatchEndedError
        changed = await batches.set_state(batch_id, state)
        if changed.state in ENDED:
            _announce(work, changed)
        work.after_commit(self.due.set)
        return changed

    # Doing rows

    async def lease(self) -> LeasedChunk | None:
        """Lease rows of the batch whose turn it is."""
        async with self._database.connection() as connection:
            due = await BatchRepository(connection).list_due()
        for batch_id in due:
            async with self._database.work("bulk") as work:
                leased = await BatchRepository(work.connection).lease(batch_id, LEASE_SECONDS)
            if leased is not None:
                return LeasedChunk(*leased)
        return None

    def open(self, leased: LeasedChunk) -> OpenChunk:
        """Open rows that are to be done."""
        batch, chunk = leased.batch, leased.chunk
        key = self._key(batch.sealed, batch.account_id)
        rows = key.open_rows(chunk.content, chunk.number)
        return OpenChunk(batch, key, chunk.number, rows, chunk.attempts)

    async def renew(self, held: Sequence[LeasedChunk]) -> None:
        """Hold the leases of rows that are being done."""
        async with self._database.work("bulk") as work:
            await BatchRepository(work.connection).renew(
                [leased.batch.batch_id for leased in held],
                [leased.chunk.number for leased in held],
                LEASE_SECONDS,
            )

    async def release(self, held: Sequence[LeasedChunk]) -> None:
        """Let another process take up at once what was broken off."""
        async with self._database.work("bulk") as work:
            await BatchRepository(work.connection).renew(
                [leased.batch.batch_id for leased in held],
                [leased.chunk.number for leased in held],
                0,
            )

    async def record(self, done: DoneChunk) -> None:
        """Keep what became of rows; a batch whose last ones they are has ended."""
        opened, key = done.opened, done.opened.key
        batch_id, number, rows = opened.batch.batch_id, opened.number, opened.rows
        outcomes, content = done.outcomes, None
        failed = sum(outcome.error is not None for outcome in outcomes)
        members = [
            (key.mark_of_member(outcome.member_id), row.line)
            for row, outcome in zip(rows, outcomes, strict=True)
            if outcome.member_id is not None
        ]
        async with self._database.work("bulk") as work:
            batches = BatchRepository(work.connection)
            if not await batches.lock(batch_id):
                return
            if members:
                await batches.mark(batch_id, [m for m, _ in members], [line for _, line in members])
            if erased := await batches.list_erasures(batch_id):
                lines = (await batches.find_marked(batch_id, erased)).get(number, set())
                rows, outcomes = _without(lines, rows, outcomes)
                content = key.seal_rows(rows, number)
            batch = await batches.record(
                batch_id, number, content, key.seal_outcomes(outcomes, number), failed
            )
            if batch is not None and batch.state == "finished":
                _announce(work, batch)

    async def fail(self, leased: LeasedChunk, reason: str) -> None:
        """End a batch that cannot go on."""
        async with self._database.work("bulk") as work:
            batches = BatchRepository(work.connection)
            batch = await batches.find(leased.batch.account_id, leased.batch.batch_id, lock=True)
            if batch is not None and batch.state not in ENDED:
                _announce(work, await batches.set_state(batch.batch_id, "failed", reason))

    # Reading

    async def results(
        self, batch: Batch
    ) -> AsyncGenerator[tuple["list[KeptRow]", "list[Outcome] | None"]]:
        """Read rows in their order, chunk by chunk, with what became of them if they were done."""
        key, number = self._key(batch.sealed, batch.account_id), 0
        while True:
            async with self._database.connection() as connection:
                chunk = await BatchRepository(connection).read_chunk(batch.batch_id, number)
            if chunk is None:
                return
            outcomes = chunk.outcomes and key.open_outcomes(chunk.outcomes, number)
            yield key.open_rows(chunk.content, number), outcomes or None
            number += 1

    # Erasing and forgetting

    async def erase(
        self, work: UnitOfWork, erased: Mapping[UUID, Collection[ErasedMember]]
    ) -> None:
        """Take members, by their accounts, out of the rows that tell of them.

        Those are the rows that made, found or changed them, or that name one of their ids.
        """
        batches = BatchRepository(work.connection)
        for batch_id, account_id, sealed in await batches.list_with_contents(list(erased)):
            key = self._key(sealed, account_id)
            digests = {mark for one in erased[account_id] for mark in key.marks_of_erased(one)}
            if not await batches.lock(batch_id):
                continue
            await batches.note_erasures(batch_id, digests)
            for number, lines in (await batches.find_marked(batch_id, digests)).items():
                chunk = await batches.read_chunk(batch_id, number)
                if chunk is None:
                    continue
                rows, sealed_outcomes = key.open_rows(chunk.content, number), None
                if chunk.outcomes is None:  # what is not done yet will not be
                    rows = [KeptRow(r.line, None) if r.line in lines else r for r in rows]
                else:
                    outcomes = key.open_outcomes(chunk.outcomes, number)
                    rows, outcomes = _without(lines, rows, outcomes)
                    sealed_outcomes = key.seal_outcomes(outcomes, number)
                await batches.rewrite(
                    batch_id, number, key.seal_rows(rows, number), sealed_outcomes
                )

    async def forget_over(self, days: int) -> None:
        """Delete batches that ended so many days ago, and those whose sender has gone."""
        async with self._database.connection() as connection:
            over = await BatchRepository(connection).list_over(days, ABANDONED_SECONDS)
        for batch_id in over:
            await self.give_up(batch_id)

    def _key(self, sealed: str, account_id: UUID) -> BatchKey:
        opened = self._master_keys.open(sealed, purpose=BATCH_PURPOSE, owner=str(account_id))
        return BatchKey(opened)


def _without(
    lines: Collection[int], rows: Sequence[KeptRow], outcomes: Sequence[Outcome]
) -> tuple[list[KeptRow], list[Outcome]]:
    """Leave of the rows of erased members only their lines, and the handles of their passes."""
    left: list[KeptRow] = []
    said: list[Outcome] = []
    for row, outcome in zip(rows, outcomes, strict=True):
        if row.line in lines:
            left.append(KeptRow(row.line, None))
            said.append(Outcome(outcome.handle, None, ERASED))
        else:
            left.append(row)
            said.append(outcome)
    return left, said


def _announce(work: UnitOfWork, batch: Batch) -> None:
    if batch.ended_at is None or batch.state not in ("finished", "cancelled", "failed"):
        raise ValueError(batch.state)
    work.publish(
        BatchEnded(
            batch_id=batch.batch_id,
            account_id=batch.account_id,
            kind=batch.kind,
            state=batch.state,
            rows=batch.rows,
            done=batch.done,
            failed=batch.failed,
            ended_at=batch.ended_at,
        )
    )
