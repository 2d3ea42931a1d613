"""Installs and removals at Google, told as those of devices are."""

from collections.abc import Mapping

from services.notifier.feed.domain.observations import Seen
from services.notifier.feed.repository import ObservationRepository
from services.notifier.google.repository import DocumentRepository
from shared import clock
from shared.contracts.notifier import DeviceAct, DevicesActed
from shared.database import UnitOfWork
from shared.identifiers import new_id


async def tell_acts(held: Mapping[str, bool], work: UnitOfWork) -> None:
    """Tell who has objects now: id → whether anybody has. Removals are told of what was held."""
    if not held:
        return
    counted = await DocumentRepository(work.connection).count_acts(held)
    if not counted:
        return
    at = clock.now()
    acts = [
        DeviceAct(
            event_id=new_id(),
            account_id=act.account_id,
            handle=act.handle,
            kind="install" if act.held else "remove",
            occurred_at=at,
            number=act.number,
            devices=int(act.held),
            wallet="google",
        )
        for act in counted
    ]
    work.publish(DevicesActed(acts=acts))
    await ObservationRepository(work.connection).add(
        [
            Seen(act.account_id, act.handle, f"google_{'saved' if act.held else 'removed'}", at)
            for act in counted
        ]
    )
