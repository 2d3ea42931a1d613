"""Events whose rules call a URL: kept as durable runs, and asked for until they are over."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Generic, Self, TypeVar
from uuid import UUID

from pydantic import BaseModel

from services.triggers.domain import (
    TRIGGER_OF,
    PassDeletedError,
    PassRecord,
    TooManyRunsError,
    follow_moves,
    forget_trigger_error,
    lay_over,
    manner_of,
    refusal_of,
)
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.runs import RunRepository
from shared.contracts.triggers import (
    ChangePass,
    CreatePass,
    EventKind,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, NotReadyError
from shared.messaging.requests import Outcome, raised_from
from shared.passes.language.runs import RuleOutcome
from shared.passes.template.compiled import CompiledTemplate

Reply = TypeVar("Reply", bound=BaseModel)

DEVICE_KINDS: Final = frozenset({"install", "remove", "device_update"})

MAX_OPEN_OF_PASS: Final = 50
MAX_OPEN_OF_ACCOUNT: Final = 5_000
"""Runs that wait for their call; rules that lead to rules through others' servers end here."""


@dataclass(frozen=True, slots=True)
class RunAnswer(Generic[Reply]):
    """What a command whose rules call is answered: its run's outcome, or that it is not over."""

    answer: Reply | ApplicationError | NotReadyError


class Waiting(Generic[Reply]):
    """The runs of one batch of commands; those whose rules cannot call cost nothing."""

    def __init__(
        self,
        work: UnitOfWork,
        reply: type[Reply],
        watched: set[UUID],
        known: dict[UUID, str | None],
        begun: asyncio.Event | None,
    ) -> None:
        self._work = work
        self._begun = begun
        self._reply = reply
        self._watched = watched
        self._known = known

    @classmethod
    async def look(
        cls,
        work: UnitOfWork,
        reply: type[Reply],
        commands: Iterable[CreatePass | ChangePass],
        begun: asyncio.Event | None,
    ) -> Self:
        """Find the runs that commands may have begun when they were asked before.

        `begun` is set once a run of this batch is there to be gone on with.
        """
        watched = {command.command_id for command in commands}
        known = await RunRepository(work.connection).outcomes(watched) if watched else {}
        return cls(work, reply, watched, known, begun)

    def recall(self, command: CreatePass | ChangePass) -> RunAnswer[Reply] | None:
        """Answer a command that began a run when it was asked before."""
        if command.command_id not in self._known:
            return None
        return RunAnswer(self._read(self._known[command.command_id]))

    async def start(
        self,
        command: CreatePass | ChangePass,
        record: PassRecord,
        kind: EventKind,
        compiled: CompiledTemplate,
        at: datetime,
    ) -> RuleOutcome | RunAnswer[Reply] | None:
        """Run the rules as far as they go without a call.

        None: the rules cannot call and are still to be run, if at all. Else their outcome, or,
        where a call is needed, what the command is answered for now. The caller saves the record.
        """
        if command.command_id not in self._watched:
            return None
        if answered := self.recall(command):
            return answered
        if record.ignores(kind, at) or refusal_of(record, kind, compiled, at):
            return None
        before = replace(record)
        follow_moves(before, compiled)
        if isinstance(command, ChangePass):
            lay_over(before, command.values, compiled, manner_of(command))
        run = compiled.start(TRIGGER_OF[kind], before.state(at))
        if run.call is None:
            return run.outcome
        runs = RunRepository(self._work.connection)
        of_pass, of_account = await runs.count_open(record.account_id, record.handle)
        # What a device did is done; only rules that lead to rules could go on without end.
        if kind not in DEVICE_KINDS and (
            of_pass >= MAX_OPEN_OF_PASS or of_account >= MAX_OPEN_OF_ACCOUNT
        ):
            return RunAnswer(TooManyRunsError())
        forget_trigger_error(record, at)
        if isinstance(command, CreatePass):
            # Readable by its handle for whoever is called, but not announced.
            await PassRepository(self._work.connection).add([record])
        if kind == "device_update":
            record.refresh(at)
        await runs.begin(command, record, kind, run.to_json())
        if self._begun is not None:
            self._work.after_commit(self._begun.set)
        return RunAnswer(NotReadyError())

    def _read(self, outcome: str | None) -> Reply | ApplicationError | NotReadyError:
        if outcome is None:
            return NotReadyError()
        read = Outcome[self._reply].model_validate_json(outcome)
        if read.ok is not None:
            return read.ok
        return raised_from(read.error) if read.error else PassDeletedError()
