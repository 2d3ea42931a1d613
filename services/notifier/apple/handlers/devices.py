"""Devices: they register, ask what is new, fetch, log, and leave."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from services.notifier.apple.domain.devices import (
    MAX_LINES,
    Listed,
    PassGoneError,
    Registration,
    Tally,
    check_push_token,
    is_first_content,
    is_same_push_token,
    manual_updates,
    readable_lines,
    seal_push_token,
)
from services.notifier.apple.repository import (
    ContentRepository,
    DeviceRepository,
    PassRepository,
    WakeRepository,
)
from services.notifier.feed.domain.observations import Seen
from services.notifier.feed.repository import FetchRepository, ObservationRepository
from shared import clock, metrics
from shared.contracts.message import Done
from shared.contracts.notifier import (
    DeviceAct,
    DeviceRegistered,
    DevicesActed,
    ListUpdated,
    NoteDeviceLogs,
    NoteFetch,
    RegisterDevice,
    UnregisterDevice,
    UpdatedPasses,
)
from shared.contracts.triggers import LoggedEvent
from shared.database import UnitOfWork
from shared.errors import ApplicationError
from shared.identifiers import new_id
from shared.sealing import MasterKeys

StartPushing = Callable[[], None]
"""Tells the push job that devices will have to be woken once this work commits."""


async def register_devices(
    commands: list[RegisterDevice],
    work: UnitOfWork,
    *,
    start_pushing: StartPushing,
    keys: MasterKeys,
) -> list[DeviceRegistered | ApplicationError]:
    """Register devices for passes; whoever may hold older bytes than the newest is woken."""
    devices, passes = DeviceRepository(work.connection), PassRepository(work.connection)
    refused: dict[UUID, ApplicationError] = {
        c.command_id: error for c in commands if (error := check_push_token(c)) is not None
    }
    sound = [_sealed(c, keys) for c in commands if c.command_id not in refused]
    before = await devices.hold(sound)
    known = await passes.lock(sound)
    gone = [c for c in sound if known[c.handle].is_deleted]
    refused |= {c.command_id: PassGoneError() for c in gone}
    living = [c for c in sound if c.command_id not in refused]
    await devices.keep(living)
    created = await devices.add_registrations(living)
    if gone:
        await devices.delete_unregistered({c.device for c in gone})
    replies: list[DeviceRegistered | ApplicationError] = []
    acted: list[Registration] = []
    for command in commands:
        key = (command.device, command.handle)
        is_new = key in created and key not in acted
        if is_new and command.command_id not in refused:
            acted.append(key)
        replies.append(refused.get(command.command_id) or DeviceRegistered(created=is_new))
    at = clock.now()
    await _tell_acts("install", acted, at, work)
    await _make_news([(d, h) for d, h in created if known[h].has_older_copies], work, start_pushing)
    tokens = {c.device: c.push_token for c in living}
    moved = [
        d
        for d, b in before.items()
        if d in tokens and not is_same_push_token(keys, d, b.push_token, tokens[d])
    ]
    if moved:  # what was pushed to the token before may not have come
        await _wake_devices(await devices.find_news(moved), work, start_pushing)
    await ObservationRepository(work.connection).add(
        [
            Seen(c.account_id, c.handle, "registered", at, c.device,
                 {"created": (c.device, c.handle) in created, "device_kind": c.kind})
            for c in living
        ]
    )  # fmt: skip
    return replies


def _sealed(command: RegisterDevice, keys: MasterKeys) -> RegisterDevice:
    push_token = seal_push_token(keys, command.device, command.push_token)
    return command.model_copy(update={"push_token": push_token})


async def unregister_devices(commands: list[UnregisterDevice], work: UnitOfWork) -> list[Done]:
    """Take registrations away, and devices with their last ones."""
    devices = DeviceRepository(work.connection)
    known = await devices.lock(command.device for command in commands)
    registrations = await devices.find_registrations([c for c in commands if c.device in known])
    await _drop(registrations, work)
    return [Done() for _ in commands]


async def remove_device(work: UnitOfWork, device: str, before: datetime | None) -> bool:
    """Remove a device that Apple no longer knows; False if it has registered after `before`.

    Must come before the transaction locks a wake.
    """
    devices = DeviceRepository(work.connection)
    known = (await devices.lock([device])).get(device)
    if known is None:
        return True
    if before is not None and known.registered_at > before:
        return False
    await _drop(await devices.find_passes(device), work, reason="gone")
    return True


async def _drop(registrations: list[Registration], work: UnitOfWork, *, reason: str = "") -> None:
    """Delete registrations of devices that are locked, tell of it, and wake nobody for them."""
    if not registrations:
        return
    devices, wakes = DeviceRepository(work.connection), WakeRepository(work.connection)
    dropped = sorted(registrations, key=lambda r: (r[1], r[0]))
    await PassRepository(work.connection).lock_known({handle for _, handle in dropped})
    await devices.delete_registrations(dropped)
    await devices.delete_unregistered({device for device, _ in dropped})
    at = clock.now()
    tallies = await _tell_acts("remove", dropped, at, work)
    await wakes.withdraw(dropped)
    await wakes.forget({device for device, _ in dropped})
    data = {"reason": reason} if reason else {}
    await ObservationRepository(work.connection).add(
        [Seen(tallies[h].account_id, h, "unregistered", at, d, data) for d, h in dropped]
    )


async def _tell_acts(
    kind: Literal["install", "remove"],
    acted: Sequence[Registration],
    at: datetime,
    work: UnitOfWork,
) -> dict[str, Tally]:
    """Announce registrations or removals that are done, numbered in the order given."""
    left = Counter(handle for _, handle in acted)
    if not left:
        return {}
    tallies = await PassRepository(work.connection).count_acts(dict(left))
    acts: list[DeviceAct] = []
    for _, handle in acted:
        left[handle] -= 1
        tally, later = tallies[handle], left[handle]
        acts.append(
            DeviceAct(
                event_id=new_id(),
                account_id=tally.account_id,
                handle=handle,
                kind=kind,
                occurred_at=at,
                number=tally.number - later,
                devices=tally.devices + (later if kind == "remove" else -later),
            )
        )
    work.publish(DevicesActed(acts=acts))
    return tallies


async def list_updated(queries: list[ListUpdated], work: UnitOfWork) -> list[UpdatedPasses]:
    """List what is new to devices, and note that they were told."""
    devices = DeviceRepository(work.connection)
    found = await devices.list_updated(queries)
    told = {(q.device, n.handle) for q, names in zip(queries, found, strict=True) for n in names}
    if told:
        await devices.mark_told(told)
        at = clock.now()
        await ObservationRepository(work.connection).add(
            [
                Seen(n.account_id, n.handle, "listed", at, q.device,
                     {"tag": n.tag, "cursor": n.cursor})
                for q, names in zip(queries, found, strict=True)
                for n in names
            ]
        )  # fmt: skip
    return [_updated(names) for names in found]


def _updated(names: Sequence[Listed]) -> UpdatedPasses:
    if not names:
        return UpdatedPasses()
    return UpdatedPasses(
        serial_numbers=[n.serial_number for n in names],
        last_updated=str(max(n.tag for n in names)),
    )


async def note_fetches(
    queries: list[NoteFetch], work: UnitOfWork, *, start_pushing: StartPushing
) -> list[NoteFetch]:
    """Note what was served; what a device fetched of its own accord is a manual update.

    Returns what is to be told of it: whoever has a link can fetch a pass as often as they like.
    """
    devices, passes = DeviceRepository(work.connection), PassRepository(work.connection)
    copies = await passes.lock_copies(query.handle for query in queries)
    await passes.keep_downloads(queries)
    first = [q for q in queries if is_first_content(q, copies.get(q.handle))]
    if first:
        await ContentRepository(work.connection).add_first(first)
    by_device = Counter(q.handle for q in queries if q.source == "device")
    if by_device:
        awaited = await devices.take_awaited(dict(by_device))
        await _tell_manual(manual_updates(queries, awaited, copies), work)
    surprising = {
        q.handle
        for q in queries
        if q.handle in copies and copies[q.handle].were_taken_for_newest(q.content_number)
    }
    if surprising:  # an older download was noted late: who registered meanwhile may hold that
        await _make_news(await devices.find_holders(surprising), work, start_pushing)
    room = await FetchRepository(work.connection).find_room({query.handle for query in queries})
    told: list[NoteFetch] = []
    for query in sorted(queries, key=lambda q: q.at):
        if room[query.handle] > 0:
            room[query.handle] -= 1
            told.append(query)
    return told


async def _tell_manual(notes: Sequence[NoteFetch], work: UnitOfWork) -> None:
    if not notes:
        return
    counts = await DeviceRepository(work.connection).count({note.handle for note in notes})
    acts = [
        DeviceAct(
            event_id=new_id(),
            account_id=note.account_id,
            handle=note.handle,
            kind="device_update",
            occurred_at=note.at,
            devices=counts.get(note.handle, 0),
        )
        for note in notes
    ]
    work.publish(DevicesActed(acts=acts))


async def note_device_logs(queries: list[NoteDeviceLogs], work: UnitOfWork) -> list[Done]:
    """Keep what devices log of known passes, tied to the version that left for them last."""
    given = [line for query in queries for line in query.lines[:MAX_LINES]]
    named = readable_lines(given)
    passes = await PassRepository(work.connection).find_numbered(
        str(line.serial_number) for line in named
    )
    seen = [
        Seen(known.account_id, known.handle, "device_log", line.at, line.device,
             {"line": line.line, "class": line.kind, "version": known.version})
        for line in named
        if (known := passes.get(str(line.serial_number))) is not None
        and line.pass_type_identifier in (None, known.pass_type_identifier)
    ]  # fmt: skip
    kept = (await ObservationRepository(work.connection).add(seen)).total()
    metrics.count_device_lines(kept=kept, too_many=len(seen) - kept, unknown=len(given) - len(seen))
    return [Done() for _ in queries]


async def ask_pushes(
    events: Sequence[LoggedEvent], work: UnitOfWork, *, start_pushing: StartPushing
) -> None:
    """Push what is unpushed of passes for which somebody asked it."""
    asks = [event for event in events if event.kind == "push"]
    if not asks:
        return
    passes = PassRepository(work.connection)
    handles = await passes.ask_pushes(asks)
    if handles:
        await passes.mark_pushed(handles)
        await WakeRepository(work.connection).ask(handles)
        work.after_commit(start_pushing)


async def _make_news(
    registrations: Collection[Registration], work: UnitOfWork, start_pushing: StartPushing
) -> None:
    """Have devices list passes that they may hold in older bytes, whatever they listed before."""
    if registrations:
        await DeviceRepository(work.connection).allot_tags(registrations)
        await _wake_devices(registrations, work, start_pushing)


async def _wake_devices(
    registrations: Collection[Registration], work: UnitOfWork, start_pushing: StartPushing
) -> None:
    if registrations:
        await WakeRepository(work.connection).ask_devices(registrations)
        work.after_commit(start_pushing)
