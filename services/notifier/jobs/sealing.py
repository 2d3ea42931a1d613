"""Seals the push tokens that were stored before they were sealed."""

from typing import Final

from services.notifier.domain.devices import SEALED, seal_push_token
from services.notifier.repository import DeviceRepository
from shared.database import Database
from shared.sealing import MasterKeys

TURN: Final = 500


async def seal_push_tokens(database: Database, keys: MasterKeys, turn: int = TURN) -> None:
    """Seal some at a time; where that ended it goes on."""
    is_over = False
    while not is_over:
        async with database.work("bulk") as work:
            devices = DeviceRepository(work.connection)
            after = await devices.claim_sealing()
            if after is None:  # nothing is left, or another process is at it
                return
            rows = await devices.lock_after(after, turn)
            await devices.replace_push_tokens(
                {
                    device: seal_push_token(keys, device, token)
                    for device, token in rows
                    if not token.startswith(SEALED)
                }
            )
            is_over = len(rows) < turn
            await devices.note_sealing(None if is_over else rows[-1][0])
