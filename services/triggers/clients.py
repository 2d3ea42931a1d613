"""Other systems: the URLs that rules call."""

import structlog

from shared.http.outgoing import AddressRefusedError, OutgoingClient, OutgoingFailedError

log: structlog.stdlib.BoundLogger = structlog.get_logger()


class UrlCaller:
    """Calls the URLs of rules; the result is ignored, so is a failure (PassSource's rule)."""

    def __init__(self, client: OutgoingClient) -> None:
        self._client = client

    async def call(self, url: str, key: str) -> None:
        """Get the URL once; `key` is the same when it has to be called again."""
        try:
            await self._client.get(url, {"Idempotency-Key": key})
        except (AddressRefusedError, OutgoingFailedError) as error:
            log.info("rule_call_failed", kind=type(error).__name__)
