"""Other systems: the URLs that rules call."""

import asyncio
from typing import Any, Final

import structlog

from shared.contracts.triggers import DEPTH_HEADER
from shared.http.outgoing import (
    FAILURES,
    AddressRefusedError,
    OutgoingClient,
    OutgoingFailedError,
)

MAX_REDIRECTS: Final = 3

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class UrlCaller:
    """Calls the URLs of rules; what they answer is ignored, so is a failure (PassSource's rule)."""

    def __init__(self, client: OutgoingClient) -> None:
        self._client = client

    async def call(self, url: str, key: str, seconds: float, depth: int) -> dict[str, Any]:
        """Get the URL once, within so many seconds; returns what the timeline says of it.

        That is its `status` and the milliseconds (`ms`), or a `reason` why there is none. `key` is
        the same when the URL has to be called again; `depth` is what our own API is told.
        """
        try:
            async with asyncio.timeout(seconds):
                headers = {"Idempotency-Key": key, DEPTH_HEADER: str(depth)}
                answer = await self._client.get(url, headers, redirects=MAX_REDIRECTS)
        except AddressRefusedError as error:
            return {"reason": f"not called: {error}"}
        except TimeoutError:
            return {"reason": f"no answer: {FAILURES['timeout']}"}
        except OutgoingFailedError as error:
            log.info("rule_call_failed", kind=error.kind)
            return {"reason": f"no answer: {FAILURES.get(error.kind, error.kind)}"}
        return {"status": answer.status, "ms": answer.milliseconds}
