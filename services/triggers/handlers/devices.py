"""Events: what devices do with passes happens to them, with its rules."""

import asyncio

from services.triggers.domain import TRIGGER_OF, Manner, PassRecord, announcements, change
from services.triggers.handlers.waiting import RunAnswer, Waiting
from services.triggers.repository.passes import PassRepository
from services.triggers.repository.templates import TemplateCache
from shared import clock
from shared.contracts.notifier import DeviceAct, DevicesActed, GoogleWanted
from shared.contracts.triggers import ChangePass, PassChanged
from shared.database import UnitOfWork
from shared.errors import InvalidError


async def follow_devices(
    events: list[DevicesActed],
    work: UnitOfWork,
    *,
    cache: TemplateCache,
    begun: asyncio.Event | None = None,
) -> None:
    """Let acts of devices happen, in their order; rules that call go on as runs of their own.

    An act whose rules stop it did happen, so the count is kept, but it is not in the log.
    """
    passes = PassRepository(work.connection)
    told = _in_order(events)
    records = await passes.lock(act.handle for act in told)
    acts = [act for act in told if _concerns(act, records.get(act.handle))]
    if not acts:
        return
    needed = {records[act.handle].template_id: 0 for act in acts}
    templates = await cache.at_least(work.connection, needed)
    compiled = {a.handle: templates[records[a.handle].template_id].compiled for a in acts}
    waiting = await Waiting[PassChanged].look(
        work,
        PassChanged,
        (_command(act) for act in acts if compiled[act.handle].may_call(TRIGGER_OF[act.kind])),
        begun,
    )
    now = clock.now()
    for act in acts:
        record, template = records[act.handle], compiled[act.handle]
        record.count_devices(act)
        at = min(act.occurred_at, now)
        if record.ignores(act.kind, at):
            continue
        try:
            run = await waiting.start(_command(act), record, act.kind, template, at)
            if not isinstance(run, RunAnswer):
                manner = Manner(wallet=act.wallet)
                change(record, act.kind, {}, template, at, manner=manner, outcome=run)
        except InvalidError:
            continue
    await passes.save(list(records.values()))
    work.publish(*announcements(records.values()))


async def note_at_google(events: list[GoogleWanted], work: UnitOfWork) -> None:
    """Note which passes are kept at Google; a push of all goes over them, too."""
    wanted = {(one.account_id, one.handle) for event in events for one in event.passes}
    await PassRepository(work.connection).note_at_google(wanted)


def _in_order(events: list[DevicesActed]) -> list[DeviceAct]:
    """Each act once, as they came about."""
    acts = {act.event_id: act for event in events for act in event.acts}
    return sorted(acts.values(), key=lambda act: (act.occurred_at, act.number))


def _concerns(act: DeviceAct, record: PassRecord | None) -> bool:
    """Whether the pass is there; a deleted one keeps the log that it has."""
    return record is not None and record.account_id == act.account_id and record.deleted_at is None


def _command(act: DeviceAct) -> ChangePass:
    """Say it as a command, by which its run is known; nobody waits for the answer."""
    return ChangePass(
        command_id=act.event_id,
        account_id=act.account_id,
        handle=act.handle,
        kind=act.kind,
        wallet=act.wallet,
    )
