"""The way out to partners: signs a delivery and posts it."""

import asyncio
from dataclasses import replace
from typing import Final
from uuid import UUID

from cachetools import LRUCache
from standardwebhooks import Webhook

from services.notifier.feed.domain.happenings import webhook_id
from services.notifier.partners.domain.webhooks import TOO_MANY_STATUS, DueDelivery, Outcome
from shared import clock
from shared.contracts.notifier import SECRET_PURPOSE
from shared.contracts.triggers import DEPTH_HEADER, WEBHOOK_DEPTH
from shared.http.outgoing import (
    FAILURES,
    AddressRefusedError,
    OutgoingClient,
    OutgoingFailedError,
    OutgoingResponse,
)
from shared.sealing import MasterKeys

MAX_OPENED: Final = 10_000


class WebhookSender:
    """Posts deliveries, signed as Standard Webhooks says."""

    def __init__(self, client: OutgoingClient, keys: MasterKeys) -> None:
        self._client = client
        self._keys = keys
        self._signers = LRUCache[tuple[UUID, int, int], list[Webhook]](MAX_OPENED)

    async def send(self, delivery: DueDelivery) -> Outcome:
        """Make one attempt, and say what it led to."""
        headers = self._headers(delivery)
        started = asyncio.get_running_loop().time()
        try:
            response = await self._client.post(delivery.url, delivery.body.encode(), headers)
        except AddressRefusedError as error:
            return Outcome(_milliseconds(started), error=f"address refused: {error}")
        except OutgoingFailedError as error:
            return Outcome(
                _milliseconds(started),
                error=FAILURES.get(error.kind, error.kind),
                timed_out=error.kind == "timeout",
                our_fault=error.kind == "ours",
            )
        return _outcome(response)

    def _headers(self, delivery: DueDelivery) -> dict[str, str]:
        name = webhook_id(delivery.event_id)
        now = clock.now()
        signatures = [s.sign(name, now, delivery.body) for s in self._signers_of(delivery)]
        return {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
            DEPTH_HEADER: str(WEBHOOK_DEPTH),
        }

    def _signers_of(self, delivery: DueDelivery) -> list[Webhook]:
        """Open the endpoint's secrets, once for each version of them."""
        key = (
            delivery.endpoint_id,
            delivery.secret_version,
            len(delivery.former_secrets),
        )
        signers = self._signers.get(key)
        if signers is None:
            sealed = (delivery.secret, *delivery.former_secrets)
            owner = str(delivery.account_id)
            signers = [
                Webhook(self._keys.open(secret, purpose=SECRET_PURPOSE, owner=owner).decode())
                for secret in sealed
            ]
            self._signers[key] = signers
        return signers


def _outcome(response: OutgoingResponse) -> Outcome:
    outcome = Outcome(
        response.milliseconds,
        status=response.status,
        response=response.excerpt,
        retry_after=response.retry_after,
        asked_to_stop=response.headers.get("webhook-delivery", "").strip().lower() == "disable",
    )
    return outcome if outcome.succeeded else _with_error(outcome)


def _with_error(outcome: Outcome) -> Outcome:
    status = outcome.status or 0
    if 300 <= status < 400:  # noqa: PLR2004 - HTTP
        error = f"answered {status}; redirects are not followed"
    elif status == TOO_MANY_STATUS:
        error = "answered 429, too many requests"
    else:
        error = f"answered {status}"
    return replace(outcome, error=error)


def _milliseconds(started: float) -> int:
    return round((asyncio.get_running_loop().time() - started) * 1000)
