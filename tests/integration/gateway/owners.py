"""Stand-ins for the services behind the gateway: they answer the requests of the contracts."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import orjson
from pydantic import BaseModel

from shared import clock
from shared.contracts.member import Member, ReadMember, ReadMemberStyleUse, StyleUse
from shared.contracts.message import Command, Done, Lane, Request
from shared.contracts.notifier import (
    GooglePassState,
    NoteDeviceLogs,
    NoteFetch,
    ReadGoogleState,
)
from shared.contracts.services import ServiceName
from shared.contracts.triggers import (
    ChangePass,
    CreatePass,
    FindPass,
    Pass,
    PassChanged,
    PassCreated,
    PassSince,
    ReadPass,
    ReadPassSince,
    ReadPassStyleUse,
)
from shared.errors import ApplicationError, GoneError, InvalidError, NotFoundError
from shared.messaging.envelope import Question, QuestionReceiver
from shared.messaging.requests import failure_of
from shared.messaging.topology import LANES
from shared.messaging.transport import Transport

AnyRequest = TypeVar("AnyRequest", bound=Request)
OWNERS: tuple[ServiceName, ...] = ("triggers", "member", "generator", "notifier")


class Owners:
    """Answers as told, once per command id, and remembers what it was asked."""

    def __init__(self, transport: Transport) -> None:
        self.asked: list[tuple[Lane, Request]] = []
        self.passes: dict[str, Pass] = {}
        self.members: dict[tuple[UUID, str], Member] = {}
        self._answers: dict[str, tuple[type[Request], Callable[[Any], object]]] = {}
        self._outcomes: dict[UUID, bytes] = {}
        self._forgotten: set[UUID] = set()
        for service in OWNERS:
            for lane in LANES:
                transport.receive_questions(service, lane, self._receiver(lane), most=20)
        self.answer(CreatePass, self.create)
        self.answer(ChangePass, self._change)
        self.answer(ReadPass, self.read_pass)
        self.answer(ReadPassSince, self.read_pass_since)
        self.answer(ReadMember, self._read_member)
        self.answer(FindPass, self.find_pass)
        self.answer(NoteFetch, lambda _: Done())
        self.answer(NoteDeviceLogs, lambda _: Done())
        self.answer(ReadGoogleState, lambda _: GooglePassState())
        self.answer(ReadMemberStyleUse, lambda _: StyleUse(in_use=False))
        self.answer(ReadPassStyleUse, lambda _: StyleUse(in_use=False))

    def answer(
        self,
        request: type[AnyRequest],
        reply: Callable[[AnyRequest], BaseModel | ApplicationError],
    ) -> None:
        """Answer this kind of request so from now on; an error may be returned or raised."""
        self._answers[request.name] = (request, reply)

    def asked_for(self, request: type[AnyRequest]) -> list[AnyRequest]:
        """All requests of this kind, in the order in which they came."""
        return [row for _, row in self.asked if isinstance(row, request)]

    def forget(self, command: Command) -> None:
        """Do a command anew when it comes again: nothing came of it."""
        self._forgotten.add(command.command_id)

    def lanes_of(self, request: type[Request]) -> set[Lane]:
        return {lane for lane, row in self.asked if isinstance(row, request)}

    def _receiver(self, lane: Lane) -> QuestionReceiver:
        async def receive(questions: list[Question]) -> None:
            for question in questions:
                model, reply = self._answers[question.name]
                found: list[dict[str, Any]] = orjson.loads(question.body)
                rows = [model.model_validate_json(orjson.dumps(row)) for row in found]
                self.asked.extend((lane, row) for row in rows)
                await question.answer(
                    b"[" + b",".join(self._outcome(row, reply) for row in rows) + b"]"
                )

        return receive

    def _outcome(self, row: Request, reply: Callable[[Any], object]) -> bytes:
        if isinstance(row, Command) and row.command_id in self._outcomes:
            return self._outcomes[row.command_id]
        try:
            answer = reply(row)
        except ApplicationError as error:
            answer = error
        if isinstance(answer, ApplicationError):
            outcome = b'{"error":' + failure_of(answer).model_dump_json().encode() + b"}"
        elif isinstance(answer, BaseModel):
            outcome = b'{"ok":' + answer.model_dump_json(exclude_defaults=True).encode() + b"}"
        else:
            raise TypeError(answer)
        if isinstance(row, Command) and row.command_id not in self._forgotten:
            self._outcomes[row.command_id] = outcome
        self._forgotten.clear()
        return outcome

    def create(self, command: CreatePass) -> PassCreated:
        """As triggers: a value under `unknown…` is no path of the template."""
        faults = [
            {"pointer": path, "detail": "the template has no such path"}
            for path in command.values
            if path.startswith("unknown")
        ]
        if faults:
            raise InvalidError("These values cannot be set.", errors=faults)
        moment = clock.now()
        self.passes[command.handle] = Pass(
            handle=command.handle,
            account_id=command.account_id,
            template_id=command.template_id,
            serial_number=command.serial_number,
            member_id=command.member.member_id if command.member else None,
            member=_facts(command.member) if command.member else None,
            version=1,
            values=command.values,
            created_at=moment,
            updated_at=moment,
            style_id=command.style_id,
            style_group_id=command.style_group_id,
        )
        return PassCreated(handle=command.handle, version=1)

    def _change(self, command: ChangePass) -> PassChanged:
        found = self._find(command.account_id, command.handle)
        values = {**found.values, **command.values}
        changed = found.model_copy(
            update={
                "version": found.version + 1,
                "values": {path: value for path, value in values.items() if value is not None},
                "voided": {"void": True, "unvoid": False}.get(command.kind, found.voided),
                **command.styles,
            }
        )
        self.passes[found.handle] = changed
        if command.kind == "delete":
            self.passes[found.handle] = changed.model_copy(update={"version": -1})
        return PassChanged(
            handle=found.handle,
            version=changed.version,
            sequence=changed.version,
            updated=bool(command.values),
            scan_text="Welcome back" if command.kind == "scan" else None,
        )

    def read_pass(self, query: ReadPass) -> Pass:
        return self._find(query.account_id, query.handle)

    def read_pass_since(self, query: ReadPassSince) -> PassSince:
        found = self._find(query.account_id, query.handle)
        return PassSince(changed=None if found.version == query.version else found)

    def find_pass(self, query: FindPass) -> Pass:
        handles = (p.handle for p in self.passes.values() if p.serial_number == query.serial_number)
        return self._find(None, next(handles, ""))

    def _find(self, account_id: UUID | None, handle: str) -> Pass:
        found = self.passes.get(handle)
        if found is None or account_id not in (None, found.account_id):
            raise NotFoundError("There is no such pass.")
        if found.version < 0:
            raise GoneError
        return found

    def _read_member(self, query: ReadMember) -> Member:
        member = self.members.get((query.account_id, query.member_id))
        if member is None:
            raise NotFoundError("There is no such member.")
        return member


def a_member(account_id: UUID, member_id: str, **facts: Any) -> Member:
    moment = clock.now()
    return Member(
        account_id=account_id,
        member_id=member_id,
        version=1,
        created_at=moment,
        updated_at=moment,
        **facts,
    )


def _facts(member: Member) -> dict[str, Any]:
    return {
        name: getattr(member, name) for name in ("name", "email", "points", "tier", "external_id")
    }
