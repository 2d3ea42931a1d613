"""The way out to Apple's devices: pushes over HTTP/2 with the certificates of pass types."""

import asyncio
import os
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from aioapns.common import NotificationRequest, NotificationResult, PushType
from aioapns.exceptions import ConnectionClosed
from aioapns.exceptions import ConnectionError as PoolConnectionError

from services.notifier.apple.clients.apns_connection import CertificateRefusedError, PushPool
from services.notifier.apple.domain.devices import open_push_token
from services.notifier.apple.domain.pushes import (
    DEVELOPMENT,
    NO_CERTIFICATE,
    Identity,
    Outcome,
    Wake,
    verdict_of,
)
from shared.contracts.gateway import IDENTITY_PURPOSE
from shared.identifiers import new_id
from shared.passes.apple.identities import identity_from_pem
from shared.sealing import MasterKeys

APPLE: Final = "https://api.push.apple.com:443"
APPLES_DOMAIN: Final = ".push.apple.com"
BACKGROUND_PRIORITY: Final = 5
PUSH_SECONDS: Final = 15.0
MAX_POOLS: Final = 1_000
"""More than pushes are ever under way, so that none of them loses its pool."""
REFUSED_SECONDS: Final = 60.0
"""How long a certificate that was refused is not tried again where there is another."""


@dataclass(slots=True)
class _Way:
    """An identity's way to Apple: its pool, unless it is one that Apple would not know."""

    pool: PushPool | None
    refused_until: float = float("-inf")


class ApplePushSender:
    """Pushes with the certificate of the pass type, over a pool of connections for each.

    While certificates overlap the newest is tried first and, where it is refused, the one before.
    """

    def __init__(self, keys: MasterKeys, server: str = APPLE, root: Path | None = None) -> None:
        address = urlsplit(server)
        self._host = address.hostname or ""
        self._port = address.port or 443
        self._root = root
        self._keys = keys
        self._ways: OrderedDict[tuple[UUID, int], _Way] = OrderedDict()

    async def push(self, wake: Wake, identities: Sequence[Identity]) -> Outcome:
        """Make one attempt, and say what it led to; `identities` newest first."""
        outcome = Outcome("certificate_refused", reason=NO_CERTIFICATE)
        for way in self._in_order(identities):
            if way.pool is None:
                if outcome.reason == NO_CERTIFICATE:
                    outcome = Outcome("withheld", reason=DEVELOPMENT)
                continue
            outcome = await self._attempt(way.pool, wake)
            if outcome.verdict != "certificate_refused":
                return outcome
            way.refused_until = asyncio.get_running_loop().time() + REFUSED_SECONDS
        return outcome

    async def close(self) -> None:
        """Close every connection; pushes that are under way fail as those of a lost one."""
        for way in self._ways.values():
            if way.pool is not None:
                way.pool.close()
        self._ways.clear()

    def _in_order(self, identities: Sequence[Identity]) -> list[_Way]:
        now = asyncio.get_running_loop().time()
        ways = [self._way(identity) for identity in identities]
        return sorted(ways, key=lambda way: way.refused_until > now)

    def _way(self, identity: Identity) -> _Way:
        key = (identity.identity_id, identity.revision)
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = _Way(self._open(identity))
            if len(self._ways) > MAX_POOLS:
                _, oldest = self._ways.popitem(last=False)
                if oldest.pool is not None:
                    oldest.pool.close()
        self._ways.move_to_end(key)
        return way

    def _open(self, identity: Identity) -> PushPool | None:
        owner = str(identity.account_id)
        pem = self._keys.open(identity.sealed, purpose=IDENTITY_PURPOSE, owner=owner)
        apple = f".{self._host}".endswith(APPLES_DOMAIN)
        if apple and identity_from_pem(pem).development:
            return None
        context = ssl.create_default_context(cafile=self._root)
        context.set_alpn_protocols(["h2"])
        with _file_of(pem) as path:
            return PushPool(path, identity.pass_type_identifier, context, self._host, self._port)

    async def _attempt(self, pool: PushPool, wake: Wake) -> Outcome:
        request = NotificationRequest(
            device_token=open_push_token(self._keys, wake.device, wake.push_token or ""),
            message={},
            notification_id=str(new_id()),
            priority=BACKGROUND_PRIORITY,
            push_type=PushType.BACKGROUND,
        )
        loop = asyncio.get_running_loop()
        started = loop.time()
        outcome = await _outcome(pool, request)
        return replace(
            outcome,
            apns_id=request.notification_id,
            milliseconds=round((loop.time() - started) * 1000),
        )


async def _outcome(pool: PushPool, request: NotificationRequest) -> Outcome:
    try:
        async with asyncio.timeout(PUSH_SECONDS):
            connection = await pool.acquire()
            return _read(await connection.send_notification(request))
    except TimeoutError:
        return Outcome("failed", reason="no answer in time")
    except PoolConnectionError as error:
        # aioapns keeps the cause only as the error that it was handling.
        if isinstance(error.__context__, CertificateRefusedError):
            return Outcome("certificate_refused", reason=str(error.__context__))
        return Outcome("failed", reason="the connection could not be made")
    except ConnectionClosed:
        return Outcome("failed", reason="the connection was lost")


def _read(result: NotificationResult) -> Outcome:
    status, reason = int(result.status), result.description or ""
    gone_at = None
    if result.timestamp is not None:
        gone_at = datetime.fromtimestamp(result.timestamp / 1000, UTC)
    return Outcome(
        verdict_of(status, reason), status=status, reason=reason or None, gone_at=gone_at
    )


@contextmanager
def _file_of(pem: bytes) -> Generator[str]:
    """Lend a path to a private key: Python's TLS reads certificates from files only.

    In memory where the system can; elsewhere in a file that only we can read, for a moment.
    """
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("identity")
        try:
            os.write(number, pem)
            yield f"/proc/self/fd/{number}"
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile() as file:
            file.write(pem)
            file.flush()
            yield file.name
