"""Lets requests in: API keys, remembered for two seconds."""

import asyncio
import hmac
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from services.gateway.domain import ApiKeyText, Caller
from services.gateway.repository.keys import ApiKeyRepository, KnownKey
from shared import clock
from shared.database import Database
from shared.errors import UnavailableError
from shared.messaging.joining import Joiner

REMEMBER_SECONDS = 2.0
STAMP_SECONDS = 60.0
MAX_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class _Entry:
    key: KnownKey
    caller: Caller
    read_at: float


class Keyring:
    """Knows the keys in use; a revoked one is refused at once here, after two seconds elsewhere.

    What is remembered only lets in: a secret that does not fit is looked up, so that a rotated
    key works on every replica at once, and one that nobody knows is not remembered at all.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._entries: dict[str, _Entry] = {}
        self._stamped: dict[str, float] = {}
        self._forgets = 0
        self._readers: Joiner[str, _Entry | None] = Joiner(self._read, most=500)
        self._stampers: Joiner[str, None] = Joiner(self._stamp, most=500)
        self._stamping: set[asyncio.Task[None]] = set()

    async def find(self, text: str) -> Caller | None:
        """Who holds this key, if it is one and lives."""
        key = ApiKeyText.parse(text)
        if key is None:
            return None
        digest = key.digest
        entry = self._recent(key.key_id)
        if entry is None or not _fits(entry.key, digest):
            entry = await self._readers.join(key.key_id)
        if entry is None or not _fits(entry.key, digest):
            return None
        self._note_use(key.key_id)
        return entry.caller

    def forget(self, key_id: str) -> None:
        """Look a key up anew: it was changed here. Lookups on their way are not remembered."""
        self._forgets += 1
        self._entries.pop(key_id, None)

    async def close(self) -> None:
        """Wait for the stamps on their way."""
        await asyncio.gather(*self._stamping)

    def _recent(self, key_id: str) -> _Entry | None:
        entry = self._entries.get(key_id)
        is_recent = entry is not None and monotonic() - entry.read_at <= REMEMBER_SECONDS
        return entry if is_recent else None

    async def _read(self, key_ids: list[str]) -> Sequence[_Entry | Exception | None]:
        read_at, forgets = monotonic(), self._forgets
        async with self._database.connection() as connection:
            known = await ApiKeyRepository(connection).find_known(list(set(key_ids)))
        entries = {
            key_id: _Entry(key, Caller(key.account_id, key_id, frozenset(key.scopes)), read_at)
            for key_id, key in known.items()
        }
        if len(self._entries) > MAX_REMEMBERED:
            self._entries.clear()
        if forgets == self._forgets:
            self._entries |= entries
        return [entries.get(key_id) for key_id in key_ids]

    def _note_use(self, key_id: str) -> None:
        """Stamp `last_used_at` once a minute, after the request, joined with others."""
        moment = monotonic()
        if moment - self._stamped.get(key_id, -STAMP_SECONDS) < STAMP_SECONDS:
            return
        if len(self._stamped) > MAX_REMEMBERED:
            self._stamped.clear()
        self._stamped[key_id] = moment
        task = asyncio.create_task(self._stamp_quietly(key_id))
        self._stamping.add(task)
        task.add_done_callback(self._stamping.discard)

    async def _stamp_quietly(self, key_id: str) -> None:
        with suppress(UnavailableError):
            await self._stampers.join(key_id)

    async def _stamp(self, key_ids: list[str]) -> Sequence[Exception | None]:
        async with self._database.connection() as connection:
            await ApiKeyRepository(connection).stamp_used(key_ids)
        return [None] * len(key_ids)


def _fits(key: KnownKey, digest: bytes) -> bool:
    moment = clock.now()
    return any(
        hmac.compare_digest(known, digest) and (expiry is None or expiry > moment)
        for known, expiry in zip(key.digests, key.expiries, strict=True)
    )
