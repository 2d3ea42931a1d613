"""Commands: passes come into being and change, a list at a time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from services.triggers.domain import (
    TRIGGER_OF,
    BarcodeTakenError,
    PassDeletedError,
    PassNotFoundError,
    PassRecord,
    announcements,
    begin,
    change,
    created,
    fill,
    follow_member,
    manner_of,
    new_record,
    with_texts,
)
from services.triggers.handlers.barcodes import claim_messages, release_messages
from services.triggers.handlers.waiting import RunAnswer, Waiting
from services.triggers.repository.channels import ChannelCache
from services.triggers.repository.members import Learned, MemberKey, MemberRepository
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.templates import KnownTemplate, TemplateCache
from shared import clock
from shared.contracts.member import Member
from shared.contracts.triggers import (
    ChangePass,
    Channel,
    CreatePass,
    PassChanged,
    PassCreated,
)
from shared.database import UnitOfWork
from shared.errors import ApplicationError, InvalidError, NotReadyError
from shared.yielding import yielding

Draft: TypeAlias = PassRecord | RunAnswer[PassCreated] | ApplicationError
Decision: TypeAlias = PassRecord | PassCreated | ApplicationError | NotReadyError


class TemplateGoneError(InvalidError):
    """The template was deleted."""

    code = "template_deleted"


async def create_passes(
    commands: list[CreatePass],
    work: UnitOfWork,
    *,
    cache: TemplateCache,
    channels: ChannelCache,
    begun: asyncio.Event | None = None,
    token_key: str | None = None,
) -> list[PassCreated | ApplicationError | NotReadyError]:
    """Issue passes: lock their members, run onCreate, insert, announce.

    `token_key` names the secret that their authentication tokens derive from.
    """
    issuing = await _Issuing.load(commands, work, cache, channels, begun)
    now = clock.now()
    drafts = [issuing.draft(one, now, token_key) async for one in yielding(commands)]
    claimed, refused = await claim_messages(drafts, issuing.templates, work)
    decided = [
        BarcodeTakenError()
        if command.handle in refused
        else await issuing.decide(command, draft, now)
        async for command, draft in yielding(list(zip(commands, drafts, strict=True)))
    ]
    issued = [outcome for outcome in decided if isinstance(outcome, PassRecord)]
    if issued:
        await PassRepository(work.connection).add(issued)
        work.publish(*announcements(issued))
    await release_messages(claimed, commands, decided, work)
    return [
        created(outcome, issuing.templates[outcome.template_id].compiled)
        if isinstance(outcome, PassRecord)
        else outcome
        for outcome in decided
    ]


@dataclass(frozen=True, slots=True)
class _Issuing:
    """What issuing a batch of passes needs to know."""

    templates: Mapping[UUID, KnownTemplate]
    members: Mapping[MemberKey, Learned]
    channels: Mapping[Channel, int]
    waiting: Waiting[PassCreated]

    @classmethod
    async def load(
        cls,
        commands: Sequence[CreatePass],
        work: UnitOfWork,
        cache: TemplateCache,
        channels: ChannelCache,
        begun: asyncio.Event | None,
    ) -> "_Issuing":
        """Read templates, number channels, lock members and carry what is new to their passes."""
        needed: dict[UUID, int] = {}
        for command in commands:
            known = needed.get(command.template_id, 0)
            needed[command.template_id] = max(known, command.template_revision)
        templates = await cache.at_least(work.connection, needed)
        allowed = [c for c in commands if _may_issue(c, templates[c.template_id])]
        members = await carry_members([c.member for c in allowed if c.member], work, cache)
        calling = (c for c in commands if templates[c.template_id].compiled.may_call("onCreate"))
        waiting = await Waiting[PassCreated].look(work, PassCreated, calling, begun)
        named = {command.channel for command in allowed if command.channel is not None}
        numbers = await channels.numbers(work, named)
        return cls(templates, members, numbers, waiting)

    def draft(
        self, command: CreatePass, at: datetime, token_key: str | None
    ) -> PassRecord | RunAnswer[PassCreated] | ApplicationError:
        """Make a pass with its first values; or what is answered for none."""
        if answered := self.waiting.recall(command):
            return answered
        template = self.templates[command.template_id]
        if not _may_issue(command, template):
            fault = {"pointer": "/template_id", "detail": "the template was deleted"}
            return TemplateGoneError(errors=[fault])
        member = command.member
        facts = self.members[member.account_id, member.member_id].after if member else None
        channel_id = self.channels[command.channel] if command.channel else None
        record = new_record(command, facts, at, token_key, channel_id)
        try:
            fill(record, command, template.compiled)
        except InvalidError as error:
            return error
        return record

    async def decide(self, command: CreatePass, draft: Draft, at: datetime) -> Decision:
        """Run a new pass's rules; or what is answered for none."""
        if isinstance(draft, RunAnswer):
            return draft.answer
        if isinstance(draft, ApplicationError):
            return draft
        compiled = self.templates[command.template_id].compiled
        try:
            run = await self.waiting.start(command, draft, "create", compiled, at)
            if isinstance(run, RunAnswer):
                return run.answer
            begin(draft, compiled, run, voided=command.voided)
        except InvalidError as error:
            return error
        return draft


def _may_issue(command: CreatePass, template: KnownTemplate) -> bool:
    """Whether template and member are this account's; the gateway has looked, we make sure."""
    owners = {template.account_id, command.member.account_id if command.member else None}
    return owners <= {command.account_id, None} and not template.is_deleted


async def change_passes(
    commands: list[ChangePass],
    work: UnitOfWork,
    *,
    cache: TemplateCache,
    begun: asyncio.Event | None = None,
) -> list[PassChanged | ApplicationError | NotReadyError]:
    """Let events happen to passes, in the order asked; a row lock orders those of one pass."""
    passes = PassRepository(work.connection)
    records = await passes.lock(command.handle for command in commands)
    needed = {record.template_id: 0 for record in records.values()}
    templates = await cache.at_least(work.connection, needed)
    waiting = await Waiting[PassChanged].look(
        work,
        PassChanged,
        (
            command
            for command in commands
            if (record := records.get(command.handle)) is not None
            and templates[record.template_id].compiled.may_call(TRIGGER_OF.get(command.kind, ""))
        ),
        begun,
    )
    now = clock.now()
    outcomes: list[PassChanged | ApplicationError | NotReadyError] = []
    for command in commands:
        record = records.get(command.handle)
        if record is None or not _is_meant(record, command):
            outcomes.append(PassNotFoundError())
            continue
        if record.deleted_at is not None:
            outcomes.append(PassDeletedError())
            continue
        compiled = templates[record.template_id].compiled
        try:
            manner = manner_of(command)
            run = await waiting.start(command, record, command.kind, compiled, now)
            if isinstance(run, RunAnswer):
                told = run.answer
                is_over = isinstance(told, PassChanged)
                outcomes.append(with_texts(told, record, compiled) if is_over else told)
                continue
            changed = change(
                record, command.kind, command.values, compiled, now, manner=manner, outcome=run
            )
            outcomes.append(changed)
        except ApplicationError as error:
            outcomes.append(error)
    await passes.save(list(records.values()))
    work.publish(*announcements(records.values()))
    return outcomes


def _is_meant(record: PassRecord, command: ChangePass) -> bool:
    """Whether a pass is of the account that asks, and of the template that it names."""
    is_of_template = command.template_id in (None, record.template_id)
    return record.account_id == command.account_id and is_of_template


async def recall_changes(
    commands: list[ChangePass],
    kept: list[PassChanged],
    work: UnitOfWork,
    *,
    cache: TemplateCache,
) -> list[PassChanged]:
    """Answer repeats with what the passes show by now."""
    records = await PassRepository(work.connection).find(c.handle for c in commands)
    living = {h: r for h, r in records.items() if r.deleted_at is None}
    needed = {record.template_id: 0 for record in living.values()}
    templates = await cache.at_least(work.connection, needed)
    return [
        with_texts(report, record, templates[record.template_id].compiled)
        if (record := living.get(report.handle)) is not None
        else report
        for report in kept
    ]


async def carry_members(
    members: Sequence[Member], work: UnitOfWork, cache: TemplateCache
) -> dict[MemberKey, Learned]:
    """Learn what is new of members and carry it to the passes they have."""
    learned = await MemberRepository(work.connection).learn(members)
    changed = [key for key, facts in learned.items() if facts.before != facts.after]
    if changed:
        passes = PassRepository(work.connection)
        records = list((await passes.lock_of_members(changed)).values())
        if not records:
            return learned
        needed = {record.template_id: 0 for record in records}
        templates = await cache.at_least(work.connection, needed)
        now = clock.now()
        for record in records:
            facts = learned[record.account_id, record.member_id or ""]
            record.member = facts.before
            follow_member(record, facts.after, templates[record.template_id].compiled, now)
        await passes.save(records)
        work.publish(*announcements(records))
    return learned
