"""Sends lists of rows to a gateway whose owners are in the test."""

import asyncio
import csv
import io
from collections.abc import Callable
from typing import Any

from shared import clock
from shared.contracts.member import (
    Enrolled,
    EnrolMember,
    Enrolment,
    ListMembers,
    Member,
    MemberPage,
    MemberSaved,
    SaveMember,
)
from shared.contracts.triggers import (
    CreatePass,
    PassCreated,
)
from shared.errors import (
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from shared.identifiers import new_id
from tests.integration.gateway.conftest import (
    AnAccount,
    Answer,
)
from tests.integration.gateway.owners import Owners, a_member

POINTS = "structure_headerFields_points_value"
CSV = {"Content-Type": "text/csv"}
PATIENCE = 20.0


class People:
    """A member service that holds what batches ask of one."""

    def __init__(self, owners: Owners) -> None:
        self.members = owners.members
        self.enrolments: dict[tuple[Any, ...], Enrolment] = {}
        owners.answer(EnrolMember, self._enrol)
        owners.answer(SaveMember, self._save)
        owners.answer(ListMembers, self._list)

    def _enrol(self, command: EnrolMember) -> Enrolled:
        external_id = command.fields.get("external_id")
        place = (command.account_id, command.template_id, external_id or command.command_id)
        known = self.enrolments.get(place)
        if known is not None and command.replaces != known.handle:
            member = self.members[command.account_id, known.member_id]
            return Enrolled(enrolment=known, member=member, is_new=False)
        if known is not None:
            self.enrolments[place] = known.model_copy(update={"handle": command.handle})
            member = self.members[command.account_id, known.member_id]
            return Enrolled(enrolment=self.enrolments[place], member=member, is_new=True)
        member = a_member(command.account_id, command.member_id, **command.fields)
        self.members[command.account_id, command.member_id] = member
        self.enrolments[place] = Enrolment(
            enrolment_id=new_id(),
            account_id=command.account_id,
            template_id=command.template_id,
            member_id=command.member_id,
            handle=command.handle,
            external_id=external_id,
            created_at=clock.now(),
        )
        return Enrolled(enrolment=self.enrolments[place], member=member, is_new=True)

    def _save(self, command: SaveMember) -> MemberSaved:
        key = command.account_id, command.member_id
        before = self.members.get(key)
        if command.mode == "create" and before is not None:
            raise ConflictError
        if command.mode == "merge" and before is None:
            raise NotFoundError
        facts = before.model_dump() if before else {}
        member = Member(
            **a_member(*key).model_dump() | facts | command.fields,
        )
        self.members[key] = member
        return MemberSaved(member=member, created=before is None)

    def _list(self, query: ListMembers) -> MemberPage:
        found = [
            member
            for (account_id, _), member in self.members.items()
            if account_id == query.account_id and member.external_id == query.external_id
        ]
        return MemberPage(members=found, more=False)


class Gate:
    """Lets an owner answer only as often as it is told."""

    def __init__(self, owners: Owners) -> None:
        self.is_open = False
        self.owners = owners
        owners.answer(CreatePass, self._create)

    def _create(self, command: CreatePass) -> PassCreated | UnavailableError:
        if not self.is_open:
            self.owners.forget(command)
            return UnavailableError()
        return self.owners.create(command)


async def send(
    account: AnAccount, content: str | bytes, key: str | None = None, **query: str
) -> Answer:
    """Send a file."""
    parameters = "&".join(f"{name}={value}" for name, value in query.items())
    data = content.encode() if isinstance(content, str) else content
    return await account.call("POST", f"/v1/batches?{parameters}", data=data, headers=CSV, key=key)


async def begun(account: AnAccount, content: str | bytes, **query: str) -> str:
    answer = await send(account, content, **query)
    assert answer.status == 202, answer.content
    return answer.json["batch_id"]


async def until(
    account: AnAccount, batch_id: str, is_so: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Look at a batch until something is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            batch = (await account.call("GET", f"/v1/batches/{batch_id}")).json
            if is_so(batch):
                return batch
            await asyncio.sleep(0.02)


async def ended(account: AnAccount, batch_id: str) -> dict[str, Any]:
    return await until(account, batch_id, lambda batch: batch["ended_at"] is not None)


async def result(
    account: AnAccount, batch_id: str, name: str = "result", separator: str = ","
) -> list[dict[str, str]]:
    answer = await account.call("GET", f"/v1/batches/{batch_id}/{name}.csv")
    assert answer.status == 200, answer.content
    text = answer.content.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
