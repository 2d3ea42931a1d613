"""The keys with which Google signs its callbacks: fetched when needed, kept as long as they say."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from time import monotonic
from typing import Final, cast

import orjson
import structlog

from shared import clock
from shared.google.api import GoogleApi, GoogleAwayError
from shared.passes.google.callbacks import PROTOCOL

USUAL_AGE: Final = 3600.0
"""Seconds that keys are kept that came without a max-age."""

LEAST_PAUSE: Final = 60.0
"""Seconds between two looks, however many callbacks are signed by unknown keys."""

MAX_KEYS: Final = 20
_MAX_AGE: Final = re.compile(r"max-age=(\d{1,9})")

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class GoogleRoots:
    """Google's root keys in this process's memory."""

    def __init__(self, api: GoogleApi) -> None:
        self._api = api
        self._keys: list[tuple[str, datetime]] = []
        """Base64 of SubjectPublicKeyInfo, and until when it is good."""
        self._renew_at = float("-inf")
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def keys(self) -> Sequence[str]:
        """Give the keys that are good now; none if Google cannot be reached and none are known."""
        if monotonic() >= self._renew_at:
            await self._look()
        return self._good()

    async def look_again(self) -> Sequence[str]:
        """Give the keys after a look for new ones, as after a signature that none of them made."""
        await self._look()
        return self._good()

    def _good(self) -> list[str]:
        moment = clock.now()
        return [key for key, until in self._keys if until > moment]

    async def _look(self) -> None:
        """Fetch the keys, unless that was done within the last minute; known ones stay if it fails.

        They are renewed at half of the time for which they may be kept.
        """
        async with self._looking:
            if monotonic() - self._looked_at < LEAST_PAUSE:
                return
            self._looked_at = monotonic()
            try:
                content, kept = await self._api.fetch_keys()
                found = read_keys(content)
            except (GoogleAwayError, ValueError) as error:
                log.warning("google_keys_not_fetched", kind=type(error).__name__)
                return
            self._keys = found
            age = _MAX_AGE.search(kept)
            self._renew_at = monotonic() + (float(age[1]) if age else USUAL_AGE) / 2


def read_keys(content: bytes) -> list[tuple[str, datetime]]:
    """Read the keys of our protocol and until when each is good; ValueError if there is no list."""
    data: object = orjson.loads(content)
    entries = cast("Mapping[str, object]", data).get("keys") if isinstance(data, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no list of keys")  # noqa: TRY004 - of Google, not of ours
    found: list[tuple[str, datetime]] = []
    for entry in cast("list[object]", entries)[:MAX_KEYS]:
        if not isinstance(entry, dict):
            continue
        given = cast("Mapping[str, object]", entry)
        key, until = given.get("keyValue"), given.get("keyExpiration")
        if given.get("protocolVersion") != PROTOCOL or not isinstance(key, str):
            continue
        try:
            found.append((key, datetime.fromtimestamp(int(str(until)) / 1000, UTC)))
        except (ValueError, OverflowError, OSError):
            continue
    return found
