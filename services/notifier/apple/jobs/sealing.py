"""Seals the push tokens that were stored before they were sealed."""

from services.notifier.apple.repository import DeviceRepository
from services.notifier.apple.repository.sealed import PUSH_TOKENS
from shared.database import Database
from shared.resealing import TURN, walk
from shared.sealing import MasterKeys


async def seal_push_tokens(database: Database, keys: MasterKeys, turn: int = TURN) -> None:
    """Seal some at a time, once; broken off it begins anew, and passes over what is done."""
    async with database.connection() as connection:
        if await DeviceRepository(connection).are_sealed():
            return
    async for _ in walk(database, keys, PUSH_TOKENS, turn):
        pass
    async with database.work("bulk") as work:
        await DeviceRepository(work.connection).note_sealed()
